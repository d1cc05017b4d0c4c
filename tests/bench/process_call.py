"""A pyst2 process per call, as call centres write them: look up, set two variables, end.

`python process_call.py STORE_URL`, with Asterisk on standard input and output.
"""

import os
import sys

import redis
from asterisk.agi import AGI

sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - pyst2 echoes every command
agi = AGI()
number = agi.env["agi_arg_1"]
pipe = redis.Redis.from_url(sys.argv[1]).pipeline(transaction=False)
for key in ("objections", "everyone", "consents", "relationships", "attempts", "campaign"):
    pipe.hget(f"bench:{key}", number)
pipe.execute()
agi.set_variable("RINGFENCE_NUMBER", number)
agi.set_variable("RINGFENCE_DECISION", "ALLOW")
