"""One call in several processes side by side: what one of them raises ends all, and is raised here."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from geoad._parent import follow_parent


def run_processes(count: int, work: Callable[..., Any], *arguments: Any, hear: Callable[[Any], None]) -> Any:
    """Call `work(rank, tell, *arguments)` in `count` new processes and return what it returns in rank 0.

    Each process has its own copy of the arguments; what one of them tells is heard here. The CPU threads of this
    process are divided among them. Raises TypeError for what cannot be pickled, RuntimeError for a process that was
    killed, and whatever a process raises. None of them outlives this call, nor this process.

    >>> run_processes(1, {0: "zero"}.get, hear=print)  # its arguments are 0 and `tell`
    'zero'
    """
    packed = _pack((work, arguments))
    threads = max(1, torch.get_num_threads() // count)
    context = multiprocessing.get_context("spawn")  # a fork would inherit the threads and GPUs of this process, broken
    workers: dict[Connection, SpawnProcess] = {}
    try:
        for rank in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(rank, threads, theirs), name=f"process {rank} of {count}")
            process.start()
            workers[ours] = process
            theirs.close()  # so that a process that dies closes the pipe
        _hand_out(packed, workers)
        return _listen(workers, hear)
    finally:
        for process in workers.values():
            process.kill()
            process.join()


def _pack(content: Any) -> bytes:
    """Pickle with tensors by value: multiprocessing's own way would let all processes write to the same memory."""
    try:
        return pickle.dumps(content)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(f"several devices need a module and samples that can be pickled: {error}") from error


def _unpack(packed: bytes) -> Any:
    """Undo `_pack` in another process."""
    try:
        return pickle.loads(packed)
    except (ImportError, AttributeError) as error:  # a class of a notebook's cell, or of python -c
        raise TypeError(f"several devices need classes that are imported from a file: {error}") from error


def _hand_out(packed: bytes, workers: dict[Connection, SpawnProcess]) -> None:
    """Send each process its work: now that all have started, for the pipe holds until one has imported all it needs."""
    for pipe, process in workers.items():
        try:
            pipe.send_bytes(packed)
        except OSError:
            raise _death(process) from None


def _listen(workers: dict[Connection, SpawnProcess], hear: Callable[[Any], None]) -> Any:
    """Return the result of the first process when all are done; what others raise after a death is its echo."""
    running = dict(workers)
    results = {}
    while running:
        for pipe in wait(list(running)):
            assert isinstance(pipe, Connection)
            try:
                kind, content = pipe.recv()
            except (EOFError, OSError):
                raise _death(running[pipe]) from None
            if kind == "raised":
                raise next((_death(other) for other in workers.values() if other.exitcode), content)
            if kind == "told":
                hear(content)
            else:
                results[pipe] = content
                del running[pipe]
    return results[next(iter(workers))]


def _death(process: SpawnProcess) -> RuntimeError:
    """Return the error for a process that ended without a word."""
    process.join()
    code = process.exitcode or 0
    if code < 0:
        return RuntimeError(f"{process.name} was killed by signal {-code}: is the memory too small?")
    return RuntimeError(
        f'{process.name} ended with code {code} before it began: is the script under if __name__ == "__main__"?'
    )


def _work(rank: int, threads: int, pipe: Connection) -> None:
    """Do one process's work, and say how it ended."""
    follow_parent(interrupts=False)  # the parent is interrupted too, and ends us
    try:
        torch.set_num_threads(threads)
        work, arguments = _unpack(pipe.recv_bytes())
        result = work(rank, lambda content: pipe.send(("told", content)), *arguments)
        pipe.send(("done", result if rank == 0 else None))
    except BaseException as error:
        pipe.send(("raised", _portable(error, rank)))
        threading.Event().wait()  # for our end: leaving would make the others raise that we have left


def _portable(error: BaseException, rank: int) -> BaseException:
    """Return the error with its traceback as a note, or its text in place of one that cannot be sent."""
    note = f"in process {rank}:\n{traceback.format_exc()}"
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an error's own constructor raises
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error
