#!/bin/sh
# Take a release of Chart.js from the npm registry into the package: `make vendor CHART=4.6.1`. Needs npm.
set -eu

version=$1
here=$(dirname "$0")/../posthog_llm_cli/page/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "chart.js@$version" >/dev/null && tar -xzf chart.js-*.tgz)
cp "$work/package/dist/chart.umd.min.js" "$here/chart.umd.min.js"
cp "$work/package/LICENSE.md" "$here/chart.LICENSE.md"
chmod 644 "$here"/chart.*
cat >"$here/vendor.json" <<END
{
  "name": "chart.js",
  "version": "$version",
  "licence": "MIT",
  "path": "chart.umd.min.js",
  "sha256": "$(sha256sum "$here/chart.umd.min.js" | cut -d' ' -f1)"
}
END
git -C "$here" --no-pager diff --stat -- .
