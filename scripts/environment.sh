#!/bin/sh
# Chooses a lane and sets up its virtual environment.
#
#   scripts/environment.sh choose        print the lane of this machine: reference or modern
#   scripts/environment.sh find LANE     print the Python that LANE would use, fail when there is none
#   scripts/environment.sh set-up LANE   create or refresh .venv/LANE; does nothing when it is current
#
# Lanes (PYTHON=/path/to/python overrides the search):
#   reference   Python 3.10, the archived Lava packages exactly as their authors released them
#   modern      Python 3.11 to 3.13, current numpy and torch, lava-nc past its Python pin
#   core        any of these Pythons, without torch and Lava
set -eu
cd "$(dirname "$0")/.."

say() { echo "[set-up] $*" >&2; }

versions_of() {
    case $1 in
        reference) echo "3.10" ;;
        # 3.11 first: the version with the widest choice of prebuilt torch.
        modern) echo "3.11 3.12 3.13" ;;
        core) echo "3.10 3.11 3.12 3.13" ;;
        *) say "unknown lane '$1'; expected reference, modern or core"; exit 2 ;;
    esac
}

extras_of() {
    case $1 in
        reference) echo "torch,lava,lava-dl,norse,nir,nir-tools,plot,frames,events,docs,dev" ;;
        modern) echo "torch,lava,nir,nir-tools,plot,frames,events,event-tools,docs,dev" ;;
        core) echo "plot,dev" ;;
    esac
}

# A version manager's shim can be on PATH and still not run, and a system Python can lack venv.
runs() {
    "$1" -c "import sys, ensurepip, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" \
        >/dev/null 2>&1
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return 0; fi
    command -v "python$1" || true
    for installed in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python; do
        [ -x "$installed" ] && echo "$installed"
    done
    if command -v uv >/dev/null 2>&1; then uv python find "$1" 2>/dev/null || true; fi
}

find_python() {
    for version in $(versions_of "$1"); do
        for candidate in $(candidates "$version"); do
            if runs "$candidate" "$version"; then echo "$candidate"; return 0; fi
        done
    done
    return 1
}

choose() {
    if find_python reference >/dev/null; then echo reference; else echo modern; fi
}

checksum() { cat pyproject.toml constraints/*.txt scripts/environment.sh | cksum; }

# Numba keeps what it compiles beside the sources: done here, the first run is as quick as any other.
warm_up() {
    folder=$(mktemp -d)
    "$1/bin/ltc2hw" train digits-rows --epochs 1 --out "$folder/model.h5" --quiet
    "$1/bin/ltc2hw" quantize "$folder/model.h5" --target loihi2 --task digits-rows \
        --out "$folder/fixed.h5" --quiet
    "$1/bin/ltc2hw" simulate "$folder/fixed.h5" --task digits-rows --samples 8 \
        --out "$folder/trace.h5" --quiet
    rm -rf "$folder"
}

set_up() {
    lane=$1
    versions=$(versions_of "$lane")
    venv=.venv/$lane
    if [ "$(cat "$venv/ready" 2>/dev/null)" = "$(checksum)" ]; then return 0; fi

    python=$(find_python "$lane") || {
        say "lane $lane needs one of Python $versions; none was found on PATH, under ~/.pyenv or by uv"
        say "install one, or name it: make PYTHON=/path/to/python LANE=$lane"
        exit 1
    }
    say "lane $lane: $("$python" --version) at $python; installing into $venv"
    say "this happens once and takes some minutes"
    rm -f "$venv/ready"
    if ! "$venv/bin/python" -c "" 2>/dev/null; then "$python" -m venv --clear "$venv"; fi

    # Python compiles what is imported; compiling all of torch here would double the time.
    pip="$venv/bin/python -m pip --disable-pip-version-check install -qq --no-input --no-compile"
    $pip --constraint "constraints/$lane.txt" --editable ".[$(extras_of "$lane")]"
    if [ -f "constraints/$lane-past-pins.txt" ]; then
        $pip --no-deps --ignore-requires-python --requirement "constraints/$lane-past-pins.txt"
    fi
    case $lane in
        modern) say "without lava-dl: its torchvision has no CPU build among the released wheels" ;;
        core) say "without torch and Lava: their tests are skipped" ;;
    esac
    if [ "$lane" != core ]; then
        say "compiling the engines"
        warm_up "$venv"
    fi
    checksum > "$venv/ready"
    say "lane $lane is ready"
}

case ${1:-} in
    choose) choose ;;
    find) find_python "$2" ;;
    set-up) set_up "$2" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
