"""What follows from an attempt beside its state: a doubt to be settled, a copy to be filed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postroom.broker.verdict import Ack, RetryIn, Verdict
from postroom.errors import Transient
from postroom.messages import MailUncertain
from postroom.sent_copies import NewCopy, we_file
from postroom.spool import Spool
from postroom_sender.doubting import LOOKING, SENT_AGAIN
from postroom_sender.finding import Finding
from postroom_sender.job import Job, Task
from postroom_sender.keeping import doubt_of
from postroom_sender.patience import Patience
from postroom_sender.settling import Step, may_repeat, means_of, next_step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Aftermath:
    """Adds to findings what follows from them. `spool`: where copies wait; None: none are filed."""

    patience: Patience
    spool: Spool | None = None

    def of(self, finding: Finding, job: Job, task: Task | None, tries: int) -> Finding:
        """The finding with all that follows; never fails, since the mail is gone."""
        if finding.settled.state == "uncertain":
            return self._in_doubt(finding, job, task, tries)
        if task is None or finding.settled.state != "sent" or not self._files(task):
            return finding
        copy = NewCopy(job.send_id, task.account.name, task.mail.message_id, "")
        return replace(finding, copy=copy, unfiled=task.mail.content)

    def _files(self, task: Task) -> bool:
        return self.spool is not None and we_file(task.account)

    def _in_doubt(self, finding: Finding, job: Job, task: Task | None, tries: int) -> Finding:
        if task is None:
            doubt = doubt_of(job, None, is_parked=True)
            return replace(finding, doubt=doubt, verdict=Ack())
        means = means_of(task.account, job.command.content.kind, self.patience)
        step = next_step(means, 0, tries)
        doubt = doubt_of(job, task, is_parked=step is Step.PARK)
        events = finding.events
        if may_repeat(means, tries):
            # Told only if it comes to nothing: what is sent again is nobody's concern.
            events = tuple(each for each in events if not isinstance(each, MailUncertain))
        return replace(finding, doubt=doubt, events=events, verdict=self._verdict(step, tries))

    def _verdict(self, step: Step, tries: int) -> Verdict:
        if step is Step.PARK:
            return Ack()
        if step is Step.LOOK:
            return RetryIn(self.patience.look_delay_s(0), LOOKING)
        return RetryIn(self.patience.mail_delay_s(tries, 0.5), SENT_AGAIN)

    def spooled(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings with their copies in the spool, all made durable at once."""
        wanted = [each for each in findings if each.copy is not None and each.unfiled is not None]
        if not wanted or self.spool is None:
            return list(findings)
        drafts, datarefs, why = self.spool.drafts(), {}, ""
        try:
            datarefs = {each.job.send_id: drafts.put([each.unfiled or b""]) for each in wanted}
            drafts.keep()
        except Transient as error:
            datarefs, why = {}, str(error)
            logger.warning("sent mails are not filed", extra={"count": len(wanted), "reason": why})
        finally:
            drafts.drop()
        return [_with_copy(each, datarefs.get(each.job.send_id, ""), why) for each in findings]


def _with_copy(finding: Finding, dataref: str, why_not: str) -> Finding:
    if finding.copy is None:
        return finding
    return replace(finding, copy=replace(finding.copy, dataref=dataref, detail=why_not), unfiled=None)
