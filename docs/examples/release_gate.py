"""A release gate: asks by mail, waits for the answer, exits 0 if it is yes.

python release_gate.py 4.2.0 --account releases --to anna@example.com && ./deploy.sh 4.2.0
"""

import argparse
import os
import sys

from postroom.client import Client, RequestRefused

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("version")
parser.add_argument("--account", required=True)
parser.add_argument("--to", action="append", required=True)
parser.add_argument("--hours", type=float, default=24)
options = parser.parse_args()

# The id makes a repeat harmless: a pipeline that is run again waits for the same answer.
gate = f"release-{options.version}"
with Client(os.environ["POSTROOM_BROKER_URL"]) as client:
    try:
        client.request(
            id=gate, account=options.account, approvers=options.to, subject=f"Release {options.version}?"
        )
        state = client.wait(gate, timeout_s=options.hours * 3600)
    except (RequestRefused, TimeoutError) as error:
        sys.exit(f"not released: {error}")
print(f"{state.decision or state.state} by {state.decided_by}: {state.comment}")
sys.exit(0 if state.decision == "approve" else 1)
