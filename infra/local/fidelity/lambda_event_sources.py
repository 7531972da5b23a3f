"""Lambda on DynamoDB streams: filtered before they are batched, retried as the mapping says, each mapping for itself.

MiniStack 1.5.33 filters after it has made a batch, runs the handlers of all mappings one after another on the thread that
polls, retries a failed batch as a whole and for ever (until MaximumRecordAgeInSeconds), and ignores what a function reports.

Not here: the batching window (a batch goes as soon as there is a record) and ParallelizationFactor (always 1).

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

import dataclasses
import time

from ministack.services import dynamodb
from ministack.services import lambda_svc as functions

# MiniStack looks at its sources when one of them has news, and after news that was nobody's not before this has passed.
functions._ESM_IDLE_WAKE_GAP_SECONDS = 0.005
# How many records are looked at, at a time, for some that match.
PAGE = 1000
# Before the second attempt; doubled for each further one. AWS does not say how long it waits.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10


@dataclasses.dataclass
class Batch:
    """Records that match, each with its position in the stream, and the position after all that were looked at."""

    records: list
    positions: list
    end: int


# --- One mapping at work, on a thread of its own until its stream has nothing more for it ------------------------------
# https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html


class Worker:
    def __init__(self, esm):
        self.esm = esm
        # Where the parts end of a batch that failed, the nearest last.
        self.ends = []
        # Attempts on the part at hand.
        self.failures = 0

    def run(self):
        while (function := function_of(self.esm)) and (batch := next_batch(self.esm, self.ends[-1] if self.ends else None)):
            result = functions._execute_function(function, {"Records": batch.records})
            failed = first_failure(self.esm, result, batch.records)
            if failed is None:
                self.esm["LastProcessingResult"] = f"OK - {len(batch.records)} records"
                self.go_on(batch.end)
            else:
                self.esm["LastProcessingResult"] = "PROBLEM: Function call failed"
                self.recover(function, batch, result, failed)

    def go_on(self, position):
        move_to(self.esm, position)
        self.failures = 0
        if self.ends and position >= self.ends[-1]:
            self.ends.pop()

    def recover(self, function, batch, result, failed):
        """What stands before the first failed record is done; the rest of the batch is split, or tried again, or given up."""
        if not self.ends:
            self.ends.append(batch.end)
        if failed > 0:
            self.go_on(batch.positions[failed])
        rest = batch.records[failed:]
        if failed == 0 and len(rest) > 1 and is_true(self.esm.get("BisectBatchOnFunctionError")):
            self.ends.append(batch.positions[(len(rest) + 1) // 2])
            self.failures = 0
        else:
            # "Before invocation: … due to throttling …, it retries until the records expire".
            self.failures += 0 if result.get("throttle") else 1
            if reason := why_to_give_up(self.esm, rest, self.failures):
                functions._send_ddb_stream_failure_record(self.esm, function, rest, self.esm["EventSourceArn"], result, reason)
                self.go_on(batch.end)
                return
        time.sleep(min(FIRST_PAUSE_SECONDS * 2 ** max(0, self.failures - 1), LONGEST_PAUSE_SECONDS))


def is_true(value):
    return value is True or str(value).lower() == "true"


def function_of(esm):
    """None when the mapping is not, or no longer, to be worked for."""
    table = dynamodb._tables.get(table_of(esm))
    if esm["UUID"] not in functions._esms or not is_true(esm.get("Enabled", True)):
        return None
    if not table or table.get("LatestStreamArn") != esm["EventSourceArn"]:
        return None
    return functions._get_func_record_for_qualifier(esm["FunctionName"], esm.get("Qualifier"))[0]


def table_of(esm):
    return esm["EventSourceArn"].split("/")[1]


def why_to_give_up(esm, records, failures):
    most, oldest = (number(esm.get(name)) for name in ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds"))
    age = time.time() - records[0]["dynamodb"]["ApproximateCreationDateTime"]
    if 0 <= most < failures:
        return "RetryAttemptsExhausted"
    return "RecordAgeExceeded" if 0 < oldest < age else None


def number(value):
    """Without a value there is no limit, as -1 says."""
    return -1 if value is None else int(value)


# --- Batches: of what the filters let through --------------------------------------------------------------------------
# https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html


def next_batch(esm, end):
    """None when the stream has no more records that match. Those that do not match, and come first, are passed over."""
    while True:
        start = position_of(esm)
        page = dynamodb.stream_records_since(table_of(esm), start, PAGE if end is None else end - start)
        batch = batch_of(page, start, esm)
        if batch.records or not page:
            return batch if batch.records else None
        move_to(esm, batch.end)


def batch_of(page, start, esm):
    batch = Batch([], [], start)
    for record in page:
        if len(batch.records) == int(esm["BatchSize"]):
            break
        if functions._apply_filter_criteria([record], esm):
            batch.records.append(record)
            batch.positions.append(batch.end)
        batch.end += 1
    return batch


def position_of(esm):
    functions._init_stream_position(esm["UUID"], esm["EventSourceArn"], esm.get("StartingPosition", "LATEST"))
    return max(functions._dynamodb_stream_positions[esm["UUID"]], dynamodb.stream_start_position(table_of(esm)))


def move_to(esm, position):
    if esm["UUID"] in functions._esms:
        functions._dynamodb_stream_positions[esm["UUID"]] = position


# --- What a function reports: the lowest of the failed records is where to take up again -------------------------------
# https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html


def first_failure(esm, result, records):
    """The index of the record from which on the batch is to be retried; None when all of it succeeded."""
    if result.get("error"):
        return 0
    answer = result.get("body")
    if "ReportBatchItemFailures" not in (esm.get("FunctionResponseTypes") or []) or not isinstance(answer, dict):
        return None
    failed = [failure.get("itemIdentifier") for failure in answer.get("batchItemFailures") or []]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    if any(number not in numbers for number in failed):
        return 0
    return min(map(numbers.index, failed), default=None)


# --- The poller only finds out who has something to do -----------------------------------------------------------------


def _poll_dynamodb_streams():
    started = False
    for account, region, esm in functions._iter_all_esms():
        account_before, region_before = functions._request_account_id.set(account), functions._request_region.set(region)
        try:
            if is_idle(esm) and function_of(esm) and next_batch(esm, None):
                functions._dispatch_esm_batch(esm["UUID"], Worker(esm).run)
                started = True
        finally:
            functions._request_account_id.reset(account_before)
            functions._request_region.reset(region_before)
    return started


def is_idle(esm):
    return ":dynamodb:" in esm["EventSourceArn"] and not functions._esm_inflight.get(esm["UUID"])


functions._poll_dynamodb_streams = _poll_dynamodb_streams
ensure_poller = functions._ensure_poller


def _ensure_poller():
    """Called for each new mapping: one from TRIM_HORIZON has something to do before there is news."""
    ensure_poller()
    functions._esm_wake.set()


functions._ensure_poller = _ensure_poller

# --- Defaults of streams. https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html ------------------------

create_esm = functions._create_esm
DEFAULTS = {"BatchSize": 100, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1}


def _create_esm(data):
    return create_esm({**(DEFAULTS if ":dynamodb:" in data.get("EventSourceArn", "") else {}), **data})


functions._create_esm = _create_esm
