#!/bin/sh
# Install each peer of bench/engine.py into an environment of its own under build/peers. One that is there is left alone;
# one that fails is reported and does not stop the others: the benchmark then says "not run".
#
#     sh scripts/peers.sh [PEER...]      (PYTHON: the interpreter to make them with)
PYTHON=${PYTHON:-python3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)/build/peers
TORCH='torch>=2.13,<2.14' # the version that Sibao is measured with

packages() {
    case $1 in
    transformers) echo "$TORCH transformers[serving]==5.23.0" ;;
    harness) echo "$TORCH transformers==5.23.0 lm_eval[hf,api]==0.4.13" ;;
    ctranslate2) echo "$TORCH transformers==5.23.0 sentencepiece ctranslate2==4.8.5" ;;
    # optimum-intel for the conversion; both import Torch, and only there
    openvino) echo "$TORCH optimum-intel==2.2.0 nncf==3.4.0 openvino-genai==2026.4.1.0" ;;
    llama) echo "llama-cpp-python[server]==0.3.36" ;;
    *) return 1 ;;
    esac
}

for peer in ${*:-transformers llama ctranslate2 openvino harness}; do
    wanted=$(packages "$peer") || { echo "no peer is called $peer" >&2; exit 2; }
    place=$ROOT/$peer
    [ "$(cat "$place/installed" 2>/dev/null)" = "$wanted" ] && continue
    echo "installing $peer: $wanted"
    rm -rf "$place"
    "$PYTHON" -m venv "$place" || continue
    # A native build: the peer may use all that this processor has. Only llama.cpp is built here.
    source=$([ "$peer" = llama ] && echo --no-binary=llama-cpp-python)
    # shellcheck disable=SC2086  # words of a list
    if CMAKE_ARGS='-DGGML_NATIVE=ON' nice -n 19 "$place/bin/pip" install --quiet $source $wanted; then
        # A CUDA-linked torchvision that a peer pulls in breaks on machines without a GPU, and no peer here needs it.
        "$place/bin/pip" uninstall --quiet --yes torchvision >/dev/null 2>&1
        echo "$wanted" >"$place/installed"
    else
        echo "$peer was not installed; its cells will say so" >&2
    fi
done
