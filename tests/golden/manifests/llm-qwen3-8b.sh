#!/bin/sh
# Qwen3 8B FP8: Qwen/Qwen3-8B-FP8 at 0123456789abcdef0123456789abcdef01234567
# 1 x 1 node with 1 x RTX 4090, context 32,768
# The server is reached from this host alone; put a gateway in front of it.
# Each host has vLLM 0.33.0 on its PATH, and 1 free RTX 4090.
# Each host fetches the weights into its own cache of Hugging Face.
# on 10.0.0.3
set -eu
stop() { printf "%s\n" "$@" >&2; exit 1; }
: "${VLLM_API_KEY:?make one with: openssl rand -hex 32}"
VERSION="$(vllm --version 2>/dev/null | tail -n 1 || true)"
case "$VERSION" in
  0.33.0*) ;;
  *) stop "vLLM 0.33.0 is not what runs here: ${VERSION:-none}." "Every host needs the same one." ;;
esac
GPUS="$(nvidia-smi --list-gpus | grep -c '^GPU' || true)"
[ "$GPUS" -ge 1 ] || stop "There are $GPUS GPUs here, and the plan uses 1."
if command -v bash >/dev/null && bash -c '(echo > /dev/tcp/127.0.0.1/8000) 2>/dev/null'; then stop "127.0.0.1/8000 is in use." "ss -ltnp names what listens there: end it."; fi
export CUDA_VISIBLE_DEVICES=0 VLLM_NO_USAGE_STATS=1 HF_HUB_DISABLE_TELEMETRY=1
exec vllm serve Qwen/Qwen3-8B-FP8 --revision 0123456789abcdef0123456789abcdef01234567 --tokenizer-revision 0123456789abcdef0123456789abcdef01234567 --served-model-name qwen3-8b --host 127.0.0.1 --port 8000 --shutdown-timeout 30 --max-model-len 32768 --gpu-memory-utilization 0.92 --enable-auto-tool-choice --tool-call-parser hermes --reasoning-parser qwen3
