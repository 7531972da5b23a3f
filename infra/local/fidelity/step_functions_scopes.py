"""Step Functions: what runs ends at once together with what it runs for, and starts at once.

MiniStack 1.5.33 sleeps 0.15 s at each start, ignores TimeoutSeconds at the top of a definition and lets a stopped
execution run on. A map starts its remaining items after one has failed, and waits for all of them; so does a parallel
state for its branches.

Nothing here polls: who waits, waits for a future, which the end of each scope around it settles.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
https://states-language.net/spec.html#map-state
"""

import contextlib
import contextvars
import functools
import json
import threading
import time
from concurrent import futures

from ministack.services import stepfunctions as sfn

# What this thread runs for; thread pools of maps and parallel branches copy it.
SCOPE = contextvars.ContextVar("scope", default=None)
LOCK = threading.Lock()
# The scopes of the executions that run, by ARN.
RUNNING = {}


class ExecutionEnded(BaseException):
    """Unwinds a thread whose scope has ended. Not an Exception: no Catch may see it."""


report_end_of_thread = threading.excepthook


def _excepthook(args):
    """The thread of a parallel branch ends by ExecutionEnded, as it should: nothing to print."""
    if args.exc_type is not ExecutionEnded:
        report_end_of_thread(args)


threading.excepthook = _excepthook


class Scope:
    """An execution, or one run of a map's items or of parallel branches within the scope `outer`."""

    def __init__(self, outer=None, ends_with_first_failure=False):
        self.outer = outer
        self.ends_with_first_failure = ends_with_first_failure
        self.ended = False
        self.failure = None
        self.awaited = set()

    def end(self, failure=None):
        with LOCK:
            if self.ended:
                return
            self.ended, self.failure = True, failure
            awaited = list(self.awaited)
        for future in awaited:
            settle(future, error=ExecutionEnded())


def scopes():
    """The scopes around this thread, from the innermost outwards."""
    scope = SCOPE.get()
    while scope is not None:
        yield scope
        scope = scope.outer


def stop_here_if_ended():
    if any(scope.ended for scope in scopes()):
        raise ExecutionEnded


def settle(future, value=None, error=None):
    """Whether it was this that decided: the first one does."""
    try:
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
        return True
    except futures.InvalidStateError:
        return False


@contextlib.contextmanager
def awaited():
    """A future to wait for, which ExecutionEnded settles when a scope around this thread ends."""
    future, around = futures.Future(), list(scopes())
    with LOCK:
        for scope in around:
            scope.awaited.add(future)
    try:
        stop_here_if_ended()
        yield future
    finally:
        with LOCK:
            for scope in around:
                scope.awaited.discard(future)


def sleep(seconds):
    """A wait that ends with its scope. SFN_WAIT_SCALE shortens it."""
    with awaited() as nothing:
        if futures.wait([nothing], max(0, seconds * sfn._SFN_WAIT_SCALE)).done:
            nothing.result()


sfn._scaled_sleep = sleep

# --- An execution is a scope: it starts at once, and ends at its TimeoutSeconds or when it is stopped ------------------


class TimeWithoutStartDelay:
    """The module `time` as stepfunctions.py sees it."""

    START_DELAY = 0.15

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        if seconds != self.START_DELAY:
            time.sleep(seconds)


sfn.time = TimeWithoutStartDelay()
run_execution = sfn._run_execution


def _run_execution(arn):
    execution = sfn._executions.get(arn)
    if execution is None:
        return
    RUNNING[arn] = scope = Scope()
    before = SCOPE.set(scope)
    timer = timeout_of(execution)
    try:
        run_execution(arn)
    except ExecutionEnded:
        pass
    finally:
        if timer is not None:
            timer.cancel()
        scope.end()
        SCOPE.reset(before)
        RUNNING.pop(arn, None)


def timeout_of(execution):
    machine = sfn._state_machines.get(execution["stateMachineArn"]) or {}
    seconds = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
    if seconds is None:
        return None
    timer = threading.Timer(seconds, contextvars.copy_context().run, (time_out, execution))
    timer.daemon = True
    timer.start()
    return timer


def time_out(execution):
    if execution["status"] == "RUNNING":
        sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        execution["stopDate"] = sfn.now_iso()
        execution["status"] = "TIMED_OUT"
        end_scope_of(execution)
        sfn._emit_execution_status_event(execution)


def end_scope_of(execution):
    scope = RUNNING.get(execution["executionArn"])
    if scope is not None:
        scope.end()


sfn._run_execution = _run_execution
stop_execution, reset = sfn._stop_execution, sfn.reset


def _stop_execution(data):
    answer = stop_execution(data)
    execution = sfn._executions.get(data.get("executionArn"))
    if execution is not None and execution["status"] != "RUNNING":
        end_scope_of(execution)
    return answer


def _reset():
    for scope in list(RUNNING.values()):
        scope.end()
    reset()


sfn._stop_execution, sfn.reset = _stop_execution, _reset
fail_execution = sfn._fail_execution


def _fail_execution(execution, error, cause):
    # Also: MiniStack puts error and cause into the output, which a failed execution does not have.
    if execution["status"] == "RUNNING":
        fail_execution(execution, error, cause)
        execution["output"] = None


sfn._fail_execution = _fail_execution

# --- A map and a parallel state are scopes: the first failure within ends them -----------------------------------------
# The children of a distributed map fail each for itself: ToleratedFailurePercentage says what comes of it.


def in_a_scope(run, ends_with_first_failure):
    @functools.wraps(run)
    def run_in_scope(*args):
        scope = Scope(SCOPE.get(), ends_with_first_failure)
        before = SCOPE.set(scope)
        try:
            return run(*args)
        except sfn._ExecutionError as error:
            raise scope.failure or error from None
        finally:
            SCOPE.reset(before)
            # Its items unwound without an error when an outer scope ended: then neither result nor error counts.
            stop_here_if_ended()

    return run_in_scope


sfn._run_map_items = in_a_scope(sfn._run_map_items, True)
sfn._run_parallel_branches = in_a_scope(sfn._run_parallel_branches, True)
sfn._run_distributed_map = in_a_scope(sfn._run_distributed_map, False)
run_sub_machine = sfn._run_sub_machine


def _run_sub_machine(states, start_at, data, execution, ctx):
    """One item or branch, with a context object of its own: MiniStack's parallel branches read each other's tokens."""
    stop_here_if_ended()
    try:
        return run_sub_machine(states, start_at, data, execution, {**ctx})
    except sfn._ExecutionError as error:
        scope = SCOPE.get()
        if scope is not None and scope.ends_with_first_failure:
            scope.end(error)
        raise


sfn._run_sub_machine = _run_sub_machine
