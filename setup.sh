#!/bin/sh
# Creates .venv and installs ferbench and the distributions in plugins/ in it, editable, with what their tests need, at the
# versions in constraints.txt. Does nothing when .venv is up to date. `make` calls it.
#
#   ./setup.sh           set up
#   ./setup.sh --find    only print the interpreter that .venv would be made with; fail where there is none
#
# PYTHON=… chooses the interpreter.
set -eu
cd "$(dirname "$0")"

venv=.venv
stamp=$venv/.installed
plugins="./plugins/ferbench-foreign ./plugins/ferbench-transformers ./plugins/ferbench-mlflow ./plugins/ferbench-tensorboard ./plugins/ferbench-submitit" # distributions of their own

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$1"
    say "$2"
    exit 1
}

# Running it tells more than finding it: a pyenv shim exists for versions that are not active.
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
makes_venvs() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
    without_venv=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 python3.14
    fi
    for candidate in "$@"; do
        is_new_enough "$candidate" || continue
        if makes_venvs "$candidate"; then
            command -v "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        fail "$without_venv cannot make virtual environments: its venv or ensurepip module is missing." \
            "Install them (Debian and Ubuntu: apt-get install python3-venv) or name another interpreter: make PYTHON=/path/to/python"
    elif [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is no Python 3.11 or newer." "Name one that is: make PYTHON=/path/to/python"
    fi
    fail "No Python 3.11 or newer was found." "Install one, or say where it is: make PYTHON=/path/to/python"
}

# What an installation depends on. Paths count because .venv holds absolute ones: a moved checkout is set up anew.
installation_key() {
    sources="pyproject.toml constraints.txt setup.sh"
    for plugin in $plugins; do sources="$sources $plugin/pyproject.toml"; done
    # shellcheck disable=SC2086 # a list of names without blanks
    printf '%s %s %s\n' "$(version_of $venv/bin/python)" "$(cat $sources | cksum)" "$PWD"
}

venv_fits() {
    is_new_enough $venv/bin/python || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of $venv/bin/python)" ]
}

editable() { for plugin in $plugins; do printf -- '--editable %s ' "$plugin"; done; }

# shellcheck disable=SC2046 # words are wanted
install_with_uv() {
    say "Installing with uv; PyTorch alone is a download of some gigabytes the first time."
    # uv compiles nothing by default, and where PYTHONDONTWRITEBYTECODE is set nothing else ever would: each start of
    # ferbench would then compile PyTorch in memory, for seconds.
    UV_COMPILE_BYTECODE=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" $venv/bin/uv pip install --quiet \
        --python $venv/bin/python --constraints constraints.txt --build-constraints constraints.txt \
        --editable '.[dev]' $(editable)
}

# shellcheck disable=SC2046
install_with_pip() {
    say "Installing with pip; PyTorch alone is a download of some gigabytes."
    $venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' $(editable)
}

if [ "${1:-}" = --find ]; then
    find_python
    exit
fi

if [ -f $stamp ] && venv_fits && [ "$(cat $stamp)" = "$(installation_key)" ]; then
    exit 0
fi

rm -f $stamp
if ! venv_fits || ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    say "Making $venv with $python ($(version_of "$python"))."
    "$python" -m venv --clear $venv
fi
if ! { $venv/bin/python -m pip install --quiet --constraint constraints.txt uv && install_with_uv; }; then
    say "uv could not do it; trying pip."
    install_with_pip || fail "ferbench could not be installed." "The lines above say why; then run the command again."
fi
installation_key >$stamp
