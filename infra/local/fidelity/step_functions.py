"""Step Functions: names, paths, choices, retries and history as the Amazon States Language has them.

What MiniStack 1.5.33 does instead stands at each patch.

https://states-language.net/spec.html
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

import functools
import json
import operator
import random
import re
import threading

from ministack.services import stepfunctions as sfn
from step_functions_scopes import sleep

START_LOCK = threading.RLock()

# --- History: a task is scheduled, then started; one that took too long timed out; events name the one before ----------
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html

add_event = sfn._add_event
OVER = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")


def _add_event(execution, kind, details=None):
    events = execution["events"]
    if events and events[-1]["type"] in OVER:
        return events[-1]
    if kind == "TaskFailed" and details["taskFailedEventDetails"]["error"] in TIMEOUTS:
        kind, details = "TaskTimedOut", {"taskTimedOutEventDetails": details["taskFailedEventDetails"]}
    event = add_event(execution, kind, details)
    event["previousEventId"] = event["id"] - 1
    if kind == "TaskScheduled":
        scheduled = event["taskScheduledEventDetails"]
        started = {"resourceType": scheduled["resourceType"], "resource": scheduled["resource"]}
        _add_event(execution, "TaskStarted", {"taskStartedEventDetails": started})
    return event


sfn._add_event = _add_event

# --- Names: idempotent by name and input, invalid ones refused ---------------------------------------------------------
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html

start_execution = sfn._start_execution
INVALID_IN_NAMES = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
LONGEST_NAME = 80


def _start_execution(data):
    name, text = data.get("name"), data.get("input", "{}")
    if name is not None and (not 0 < len(name) <= LONGEST_NAME or INVALID_IN_NAMES.search(name)):
        return sfn.error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
    try:
        json.loads(text)
    except ValueError:
        return sfn.error_response_json("InvalidExecutionInput", "Invalid State Machine Execution Input: not JSON", 400)
    with START_LOCK:
        running = find_running(data.get("stateMachineArn", ""), name)
        if running is not None and running["input"] == text:
            return sfn.json_response({"executionArn": running["executionArn"], "startDate": running["startDate"]})
        return start_execution(data)


def find_running(machine_arn, name):
    machine = sfn._state_machines.get(sfn._resolve_state_machine_arn(machine_arn) or "")
    if machine is None or name is None:
        return None
    arn = f"arn:aws:states:{sfn.get_region()}:{sfn.get_account_id()}:execution:{machine['name']}:{name}"
    execution = sfn._executions.get(arn)
    return execution if execution is not None and execution["status"] == "RUNNING" else None


sfn._start_execution = _start_execution

# --- Errors of nested executions carry the service's name: StepFunctions.ExecutionAlreadyExistsException ---------------
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html


def named_for_step_functions(invoke):
    @functools.wraps(invoke)
    def run(resource, data):
        try:
            return invoke(resource, data)
        except sfn._ExecutionError as error:
            if "." in error.error:
                raise
            name = error.error.removesuffix("Exception")
            raise sfn._ExecutionError(f"StepFunctions.{name}Exception", error.cause) from None

    return run


sfn._invoke_nested_start_execution = named_for_step_functions(sfn._invoke_nested_start_execution)
sfn._invoke_nested_start_execution_sync = named_for_step_functions(sfn._invoke_nested_start_execution_sync)

# --- A path that leads nowhere fails the execution, and nothing catches that -------------------------------------------
# MiniStack goes on with null. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
# (States.Runtime: "A retry or catch on States.ALL won't catch States.Runtime errors")

ABSENT = object()


def step(kind, key, value):
    if kind == "field":
        return [value[key]] if isinstance(value, dict) and key in value else []
    if kind == "index":
        return [value[key]] if isinstance(value, list) and -len(value) <= key < len(value) else []
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def look_up(path, data):
    """What the path names; ABSENT when it leads nowhere."""
    if not path.startswith("$"):
        return data
    tokens = [] if path == "$" else sfn._parse_jsonpath_tokens(path)
    if tokens is None:
        raise sfn._ExecutionError("States.Runtime", f"Invalid path '{path}'")
    found = [data]
    for kind, key in tokens:
        found = [match for value in found for match in step(kind, key, value)]
    if any(kind == "wildcard" for kind, _ in tokens):
        return found
    return found[0] if found else ABSENT


def _resolve_path(path, data):
    value = look_up(path or "$", data)
    if value is ABSENT:
        raise sfn._ExecutionError("States.Runtime", f"The JSONPath '{path}' could not be found in the input")
    return value


sfn._resolve_path = _resolve_path
error_matches = sfn._error_matches
sfn._error_matches = lambda names, error: error != "States.Runtime" and error_matches(names, error)

# --- Choice: every operator, with or without Path; presence of a null; the context object ------------------------------
# https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html

TYPE_TESTS = {
    "IsNull": lambda value: value is None,
    "IsNumeric": sfn._is_num,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": sfn._is_timestamp,
}
READ_AS = {
    "String": lambda value: value if isinstance(value, str) else None,
    "Numeric": lambda value: value if sfn._is_num(value) else None,
    "Boolean": lambda value: value if isinstance(value, bool) else None,
    "Timestamp": sfn._parse_ts,
}
COMPARE = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
COMPARISON = re.compile(r"^(String|Numeric|Boolean|Timestamp)(Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals)(Path)?$")


def _evaluate_rule(rule, data, ctx=None):
    if "And" in rule:
        return all(_evaluate_rule(each, data, ctx) for each in rule["And"])
    if "Or" in rule:
        return any(_evaluate_rule(each, data, ctx) for each in rule["Or"])
    if "Not" in rule:
        return not _evaluate_rule(rule["Not"], data, ctx)
    if "IsPresent" in rule:
        return (look_up_or_context(rule["Variable"], data, ctx) is not ABSENT) == rule["IsPresent"]
    value = present(rule["Variable"], data, ctx)
    for name, expected in rule.items():
        if name in TYPE_TESTS:
            return TYPE_TESTS[name](value) == expected
        if name == "StringMatches":
            return isinstance(value, str) and matches(value, expected)
        if comparison := COMPARISON.match(name):
            kind, how, by_path = comparison.groups()
            left, right = READ_AS[kind](value), READ_AS[kind](present(expected, data, ctx) if by_path else expected)
            return left is not None and right is not None and COMPARE[how](left, right)
    return False


def look_up_or_context(path, data, ctx):
    return look_up(path[1:], ctx or {}) if path.startswith("$$") else look_up(path, data)


def present(path, data, ctx):
    value = look_up_or_context(path, data, ctx)
    if value is ABSENT:
        raise sfn._ExecutionError("States.Runtime", f"Invalid path '{path}': The choice state's condition path references an invalid value.")
    return value


def matches(text, pattern):
    """Only `*` is special, and `\\*` is a star."""
    parts = re.split(r"(?<!\\)\*", pattern)
    return re.fullmatch(".*".join(re.escape(part.replace("\\*", "*").replace("\\\\", "\\")) for part in parts), text, re.DOTALL) is not None


sfn._evaluate_rule = _evaluate_rule

# --- Retry: MaxDelaySeconds, JitterStrategy, and no limit of 60 s ------------------------------------------------------
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error

find_matching_retrier = sfn._find_matching_retrier


def _find_matching_retrier(retriers, error, counts):
    """Waits here, and hands back a retrier that asks for no further wait: the caller's arithmetic knows no maximum."""
    retrier, index = find_matching_retrier(retriers, error, counts)
    if retrier is None:
        return retrier, index
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    sleep(random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay)
    return {**retrier, "IntervalSeconds": 0}, index


sfn._find_matching_retrier = _find_matching_retrier
