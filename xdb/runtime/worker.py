"""A worker process: runs functions on memory it shares with its parent.

Started as `python -m xdb.runtime.worker FD`, never forked: a process that has used gRPC
must not fork. Requests come on standard input, answers go to standard output. The end of
the input ends the worker, so none outlives its parent.
"""

import os
import signal
import sys

from xdb.runtime.exchange import serve


def main() -> None:
    """Entry point of the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides when to stop
    # whatever a library prints must not end up between the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(int(sys.argv[1]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
