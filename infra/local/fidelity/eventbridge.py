"""EventBridge: a clock that can run faster for scheduled rules, and that looks every second.

MiniStack 1.5.33 looks every ten seconds. REKEY_LOCAL_RATE_SCALE divides the time of `rate(...)`: at 60,
`rate(1 minute)` fires every second. Not AWS's behaviour, and off (1) unless asked for: a test or a demonstration that
waits for a schedule should not take a minute.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import os

from ministack.services import eventbridge

SCALE = float(os.environ.get("REKEY_LOCAL_RATE_SCALE", "1"))
parse_rate_seconds = eventbridge._parse_rate_seconds


def _parse_rate_seconds(expression):
    seconds = parse_rate_seconds(expression)
    return None if seconds is None else seconds / SCALE


eventbridge._parse_rate_seconds = _parse_rate_seconds
eventbridge._SCHEDULER_TICK_INTERVAL = 1 if SCALE == 1 else 0.1
