#!/usr/bin/env bash
#SBATCH --job-name=kvwave-replay
#SBATCH --array=1-8
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --requeue
# sbatch docs/slurm_replay.sh TRACES OUT [REPLAY OPTIONS...]: each task of the array replays its part of the folder
# TRACES into OUT/shard-N.h5. A task that is started again keeps what it had finished. Then, once:
#   kvwave merge OUT/shard-*.h5 -o OUT/results.h5
set -euo pipefail
traces=$1 out=$2
shift 2
mkdir -p "$out"
shard=$SLURM_ARRAY_TASK_ID
kvwave replay "$traces" --shard "$shard/$SLURM_ARRAY_TASK_COUNT" --resume -f --quiet \
  -o "$out/shard-$shard.h5" "$@" >"$out/shard-$shard.txt"
