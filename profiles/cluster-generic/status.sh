#!/bin/sh
# Print what has become of the job with this number: running, success or failed.
set -u
answer=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1)
if [ $? -ne 0 ] || [ -z "$answer" ]; then
  case $answer in
    # Ended so long ago that squeue forgot it: the accounting knows, where there is one.
    "" | *"Invalid job id"*) answer=$(sacct --allocations --noheader --format=State --jobs="$1" 2>/dev/null) ;;
    # The scheduler did not answer: ask again later.
    *) answer=PENDING ;;
  esac
fi
# shellcheck disable=SC2086 # the first word alone: "CANCELLED by 0"
set -- $answer
case ${1:-unknown} in
  COMPLETED) echo success ;;
  PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STAGE_OUT | RESIZING | REQUEUED | SIGNALING) echo running ;;
  *) echo failed ;;
esac
