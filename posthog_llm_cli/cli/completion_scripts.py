"""`plh completion SHELL`: the script that lets a shell complete `plh …`; `completion.py` answers what it asks."""

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_BASH = """\
# plh completion bash. For every shell to come:
#   plh completion bash > ~/.local/share/bash-completion/completions/plh
_plh() {
    local -a lines
    mapfile -t lines < <(VARIABLE=bash plh "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=("${lines[@]:1}")
    if [[ "${lines[0]}" == files ]]; then
        compopt -o default
        COMPREPLY=()
    elif [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *= ]]; then
        compopt -o nospace
    fi
    # readline has parted --name=value at the equals sign, and completes what stands behind it alone
    if [[ "${COMP_WORDS[COMP_CWORD]}" == = || "${COMP_WORDS[COMP_CWORD-1]}" == = ]]; then
        COMPREPLY=("${COMPREPLY[@]#*=}")
    fi
}
complete -F _plh plh
"""

_ZSH = """\
#compdef plh
# plh completion zsh. For every shell to come, in a folder of your $fpath:
#   plh completion zsh > ~/.zfunc/_plh
_plh() {
    local -a lines candidates
    lines=("${(@f)$(VARIABLE=zsh plh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ "${lines[1]}" == files ]]; then
        [[ "${words[CURRENT]}" == --*=* ]] && compset -P '*='
        _files
        return
    fi
    local line
    for line in "${(@)lines[2,-1]}"; do
        candidates+=("${${line%%$'\\t'*}//:/\\\\:}${${(M)line:#*$'\\t'*}:+:${line#*$'\\t'}}")
    done
    (( ${#candidates} )) && _describe plh candidates
}
if [[ "${funcstack[1]}" == _plh ]]; then
    _plh "$@"
else
    compdef _plh plh
fi
"""

_FISH = """\
# plh completion fish. For every shell to come:
#   plh completion fish > ~/.config/fish/completions/plh.fish
function __plh_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (VARIABLE=fish plh $words[2..-1] 2>/dev/null)
    if test "$lines[1]" = files
        __fish_complete_path (commandline -ct)
    else if test (count $lines) -gt 1
        printf '%s\\n' $lines[2..-1]
    end
end
complete -c plh -f -a '(__plh_complete)'
"""

_SCRIPTS = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}

Name = Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.", show_default=False)]


def completion(shell: Name) -> None:
    """Print the script that lets a shell complete commands, options, their values, and runs of the ledger.

    Examples:
      source <(plh completion bash)      this shell; in it stands where it stays
      source <(plh completion zsh)
      plh completion fish | source
    """
    typer.echo(script(shell), nl=False)


def script(shell: Shell) -> str:
    """Return the script of a shell."""
    from posthog_llm_cli.cli.completion import VARIABLE  # noqa: PLC0415 - for this command only

    return _SCRIPTS[shell].replace("VARIABLE", VARIABLE)
