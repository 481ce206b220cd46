"""Reads the accepted mail of a campaign account, one by one; needs nothing of Postroom, only pika.

python campaign_consumer.py news > answers.jsonl
"""

import argparse
import json
import os

import pika

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("account")
parser.add_argument("--count", type=int, help="End after so many.")
options = parser.parse_args()


def handle(mail):
    """Your own work. A mail may come twice, after a crash: its event id is the same then."""
    print(json.dumps(mail), flush=True)


with pika.BlockingConnection(pika.URLParameters(os.environ["POSTROOM_BROKER_URL"])) as connection:
    channel = connection.channel()
    # So many are on the way at a time; the others wait at the broker, for this consumer or another one.
    channel.basic_qos(prefetch_count=50)
    queue = f"postroom.campaign.{options.account}"
    for number, (delivery, properties, body) in enumerate(channel.consume(queue), start=1):
        event = json.loads(body)
        try:
            handle({"id": properties.headers["cloudEvents_id"], **event})
        except Exception:
            # Into the quarantine, postroom.campaign.<account>.dead: `postroom dead` shows it.
            channel.basic_reject(delivery.delivery_tag, requeue=False)
            raise
        # Only now does the broker forget it.
        channel.basic_ack(delivery.delivery_tag)
        if number == options.count:
            break
    channel.cancel()
