#!/bin/sh
# GLM-5.2 FP8: zai-org/GLM-5.2-FP8 at 0123456789abcdef0123456789abcdef01234567
# 1 x 2 nodes with 8 x H100 SXM, context 32,768
# The nodes talk to each other without encryption, and whoever reaches them runs code there: a private network only.
# Each host has vLLM 0.33.0 on its PATH, and 8 free H100 SXM.
# Each host fetches the weights into its own cache of Hugging Face.
# on 10.0.0.1: rank 0 of 2
set -eu
stop() { printf "%s\n" "$@" >&2; exit 1; }
: "${VLLM_API_KEY:?make one with: openssl rand -hex 32}"
VERSION="$(vllm --version 2>/dev/null | tail -n 1 || true)"
case "$VERSION" in
  0.33.0*) ;;
  *) stop "vLLM 0.33.0 is not what runs here: ${VERSION:-none}." "Every host needs the same one." ;;
esac
GPUS="$(nvidia-smi --list-gpus | grep -c '^GPU' || true)"
[ "$GPUS" -ge 8 ] || stop "There are $GPUS GPUs here, and the plan uses 8."
LINK="$(ip -o addr show to 10.0.0.1 | awk 'NR == 1 {print $2}')"
[ -n "$LINK" ] || stop "This host does not have the address 10.0.0.1."
export VLLM_HOST_IP=10.0.0.1 GLOO_SOCKET_IFNAME="$LINK" NCCL_SOCKET_IFNAME="$LINK"
if command -v bash >/dev/null && bash -c '(echo > /dev/tcp/10.0.0.1/8000) 2>/dev/null'; then stop "10.0.0.1/8000 is in use." "ss -ltnp names what listens there: end it."; fi
if command -v bash >/dev/null && bash -c '(echo > /dev/tcp/10.0.0.1/29501) 2>/dev/null'; then stop "10.0.0.1/29501 is in use." "ss -ltnp names what listens there: end it."; fi
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 VLLM_NO_USAGE_STATS=1 HF_HUB_DISABLE_TELEMETRY=1
exec vllm serve zai-org/GLM-5.2-FP8 --revision 0123456789abcdef0123456789abcdef01234567 --tokenizer-revision 0123456789abcdef0123456789abcdef01234567 --served-model-name glm-5.2 --host 10.0.0.1 --port 8000 --shutdown-timeout 30 --max-model-len 32768 --gpu-memory-utilization 0.92 --tensor-parallel-size 8 --pipeline-parallel-size 2 --enable-auto-tool-choice --tool-call-parser glm47 --reasoning-parser glm47 --distributed-executor-backend mp --nnodes 2 --node-rank 0 --master-addr 10.0.0.1 --master-port 29501
