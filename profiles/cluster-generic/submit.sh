#!/bin/sh
# Submit a job and print its number, and nothing else.
# Given: rule, cores, memory in MB, room for temporary files in MB, minutes, 1 for a node to itself, the job script.
set -eu
rule=$1 cores=$2 memory=$3 minutes=$5 exclusive=$6 script=$7

# What the job prints, by its number; the logs of the rules themselves are in logs/.
mkdir -p .snakemake/cluster_logs

# --no-requeue: Snakemake starts a lost job again, with more memory and time, and not the scheduler as it was.
set -- --parsable --no-requeue --job-name="$rule" --output=.snakemake/cluster_logs/%j.log \
  --cpus-per-task="$cores" --mem="$memory" --time="$minutes"
if [ "$exclusive" = 1 ]; then
  set -- "$@" --exclusive
fi
number=$(sbatch "$@" "$script")
echo "${number%%;*}" # on a federation the number is followed by the cluster's name
