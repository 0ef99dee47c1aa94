#!/bin/sh
# Find a Chromium for the tests of the page, or install Debian's; its build without a window needs the least.
# Without either the tests are skipped and say so, but in CI (CI is set) that is an error.
set -eu

for name in "${PLH_CHROMIUM:-chromium-headless-shell}" chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Chromium for the tests of the page …"
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be of another day, and another run may be installing; without a font a browser measures nothing.
    if apt-get -qq -o DPkg::Lock::Timeout=300 update &&
        apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core >/dev/null; then
        exit 0
    fi
fi

echo "note: no Chromium here, so the page is not tried in a browser" >&2
echo "hint: install chromium or chromium-headless-shell, or name one with PLH_CHROMIUM" >&2
[ -z "${CI:-}" ]
