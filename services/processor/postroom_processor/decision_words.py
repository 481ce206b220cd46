# ruff: noqa: E501, RUF001
# Words are spelled in the alphabet of their language, look-alikes and double-width letters included.
"""The words a decision may be written in: closed lists by language; `doubt_words` has what stops one.

To teach Postroom a word, add it to its language's row and a labelled case to the tests. A word that
says yes in one language and something else in another stays out, because nothing in a mail says
reliably which language it is in. Left out for that reason: ``tak`` (Polish yes, Danish thanks),
``si`` without its accent (Spanish and French if), ``так`` (Ukrainian yes, Russian so), ``ok``.

A table has one line per language: its name, a colon, its entries with semicolons between; indented
lines go on. Entries are lower-case and matched as whole words, with any blanks between the words of
a phrase (anywhere in scripts that write no blanks).
"""

from __future__ import annotations

Table = dict[str, tuple[str, ...]]


def phrases(text: str) -> tuple[str, ...]:
    """Read one row: its entries stand between semicolons."""
    return tuple(" ".join(entry.split()) for entry in text.split(";") if entry.strip())


def table(text: str) -> Table:
    """Read a table as the module describes it."""
    rows: Table = {}
    for row in text.strip().replace("\n    ", " ").split("\n"):
        language, _, entries = row.partition(":")
        rows[language] = phrases(entries)
    return rows


# Said of the thing itself; counts wherever approve and reject are offered and nothing else.
APPROVE_WORDS = table(
    r"""
en: approve; approved; i approve; i hereby approve; i approve this; yes i approve
de: genehmigt; genehmigen; genehmige; ich genehmige; genehmige ich; freigegeben
fr: approuvé; approuvée; approuver; j'approuve; approuve; validé; je valide
es: apruebo; aprobado; aprobada; aprobar; lo apruebo; yo apruebo
it: approvo; approvato; approvata; approva; approvare; io approvo
pt: aprovo; aprovado; aprovada; aprovar; eu aprovo
nl: goedgekeurd; goedkeuren; ik keur goed; ik keur dit goed; akkoord
pl: zatwierdzam; zatwierdzone; zatwierdzono; akceptuję; zaakceptowane
da: godkendt; godkend; godkender; jeg godkender
sv: godkänn; godkänd; godkänt; godkänner; jag godkänner; godkännes; godkänns
no: godkjent; godkjenn; godkjenner; jeg godkjenner
fi: hyväksyn; hyväksytty; hyväksy; hyväksytään
cs: schvaluji; schvaluju; schváleno; schválit
ru: одобряю; одобрено; одобрить; утверждаю; утверждено; согласовано
uk: схвалюю; схвалено; затверджую; затверджено; погоджено
zh: 批准; 同意; 通过; 通過; 核准; 已批准; 我批准; 我同意
ja: 承認; 承認します; 承認しました; 承認いたします; 承認致します; 承認する
ko: 승인; 승인합니다; 승인함; 승인했습니다; 승인하겠습니다
tr: onaylıyorum; onayla; onaylandı; onaylandi; onayliyorum
"""
)
REJECT_WORDS = table(
    r"""
en: reject; rejected; i reject; i reject this; i hereby reject; decline; declined; i decline;
    deny; denied
de: abgelehnt; ablehnen; lehne ab; ich lehne ab; ich lehne das ab; lehne ich ab
fr: rejeté; rejetée; rejeter; je rejette; refusé; refusée; je refuse; refuser
es: rechazo; rechazado; rechazada; rechazar; lo rechazo; denegado
it: rifiuto; rifiutato; rifiutata; rifiuta; respinto; respinta; respingo
pt: rejeito; rejeitado; rejeitada; rejeitar; recuso; recusado; reprovado
nl: afgekeurd; afgewezen; afkeuren; afwijzen; geweigerd; ik wijs af
pl: odrzucam; odrzucone; odrzucono; odmawiam
da: afvist; afvis; afviser; jeg afviser; afslået
sv: avslå; avslås; avslag; avslår; jag avslår; avvisad; avvisas; nekas
no: avvist; avvis; avviser; jeg avviser; avslått; avslår
fi: hylkään; hylätty; hylkää; hylätään
cs: zamítám; zamítnuto; zamítnout; odmítám; odmítnuto
ru: отклоняю; отклонено; отклонить; отказываю; отказано; отказать
uk: відхиляю; відхилено; відхилити; відмовляю; відмовлено
zh: 拒绝; 拒絕; 驳回; 駁回; 我拒绝; 我拒絕
ja: 却下; 却下します; 却下しました; 却下する; 拒否; 拒否します; 否認; 否認します
ko: 거부; 거부합니다; 거부함; 반려; 반려합니다; 거절; 거절합니다
tr: reddediyorum; reddet; reddedildi; ret
"""
)

# Plain yes and no.
YES_WORDS = table(
    r"""
en: yes; yes please
de: ja
fr: oui
es: sí
it: sì
pt: sim
fi: kyllä; joo
cs: ano
ru: да
zh: 是; 是的
ja: はい
ko: 네; 예
tr: evet
"""
)
NO_WORDS = table(
    r"""
en: no; no thanks; no thank you; nope
de: nein
fr: non
pt: não; nao
nl: nee
pl: nie
da: nej
no: nei
fi: ei
cs: ne
ru: нет
uk: ні
zh: 否; 不
ja: いいえ
ko: 아니요; 아니오
tr: hayır; hayir
"""
)

# What may follow a decision without a mark between and adds nothing to it.
TAIL_WORDS = phrases(
    r"""
please; pls; it; this; this one; this request; the request; thanks; thank you; by me; from me;
from my side; on my side; bitte; danke; vielen dank; von mir; merci; s'il vous plaît; svp;
gracias; por favor; grazie; per favore; obrigado; obrigada; bedankt; dank je; alstublieft;
dziękuję; dzięki; tak; tack; takk; kiitos; díky; děkuji; спасибо; пожалуйста; дякую; будь ласка;
teşekkürler; 谢谢; 謝謝; ありがとうございます; 감사합니다; lütfen; without reservation; without reservations;
without conditions; unconditionally; as requested; as discussed; as agreed; as planned; with pleasure;
go ahead; please go ahead; wie besprochen; wie gewünscht; comme convenu; como acordado; come concordato; zoals besproken;
zgodnie z ustaleniami; som aftalt; som avtalat; som avtalt; kuten sovittu; jak dohodnuto; как договорились; як домовлялися; ohne vorbehalt; ohne auflagen; ohne einwände; sans réserve; sin reservas;
senza riserve; sem ressalvas; zonder voorbehoud; bez zastrzeżeń; bez výhrad; uden forbehold; utan förbehåll;
uten forbehold; ehdoitta; без замечаний; без зауважень
"""
)

# What may stand in the sentence of a plain yes. Anything else there may be about something else:
# "yes, I am looking at it" approves nothing.
CONFIRMATIONS = phrases(
    r"""
go ahead; please go ahead; please do; do it; please proceed; proceed; of course; sure; absolutely;
definitely; certainly; fine; fine by me; fine with me; good; great; perfect; looks good;
looks good to me; looks great; all good; good to go; go; go for it; lgtm; ok; okay; ship it;
gerne; sehr gerne; gern; passt; in ordnung; einverstanden; bitte freigeben; natürlich; los; machen;
bien sûr; d'accord; allez-y; vas-y; parfait; adelante; claro; por supuesto; de acuerdo; perfecto;
certo; va bene; procedi; procedete; perfetto; d'accordo; claro que sim; pode seguir; podem avançar;
perfeito; natuurlijk; ga je gang; oczywiście; proszę; fint; helt fint;
kör; självklart; selvfølgelig; kjør; totta kai; hyvä; jistě; samozřejmě; конечно; хорошо; давайте;
звичайно; добре; 可以; 好; 好的; 没问题; お願いします; よろしくお願いします; 大丈夫です; 좋습니다;
진행해 주세요; 진행하세요; tabii; elbette; tamam; olur; buyurun
"""
)

# What may stand before a decision: a greeting with up to three words of a name, or thanks.
GREETINGS = phrases(
    r"""
dear sir or madam; dear sirs; to whom it may concern; howdy; ok; okay; cher; chère; chers; chères; madame; monsieur;
buenas; buen día; querido; querida; estimados; estimadas; egregio; gentilissimo; gentilissima; gentili; prezados;
prezadas; caros; caras; grüß gott; grüezi; werte; werter; geachte; zdravím; dobrý deň; vážený; vážená; vážení;
szanowni państwo; szanowny panie; szanowna pani; drogi; droga; hallå; уважаемый; уважаемая; уважаемые; коллеги;
добрый день; дорогой; дорогая; шановний; шановна; шановні; колеги; вельмишановний; değerli; 各位好; 各位; 尊敬的;
hi; hello; hey; dear; good morning; good afternoon; good evening; morning; thanks; thank you;
many thanks; hi there; hi all; hello all; greetings; hallo; guten morgen; guten tag; guten
abend; moin; servus; liebe; lieber; sehr geehrte; sehr geehrter; danke; vielen dank; bonjour;
bonsoir; salut; merci; hola; buenos días; buenos dias; buenas tardes; estimado; estimada;
gracias; ciao; salve; buongiorno; buonasera; gentile; grazie; olá; ola; oi; bom dia; boa tarde;
boa noite; prezado; prezada; caro; cara; obrigado; obrigada; goedemorgen; goedemiddag;
goedenavond; beste; dag; bedankt; cześć; dzień dobry; witam; dziękuję; hej; hejsa; kære; god
morgen; goddag; hejsan; tjena; god morgon; tack; heisan; kjære; takk; hei; moi; terve; hyvää
huomenta; huomenta; kiitos; ahoj; dobrý den; dobré ráno; díky; привет; здравствуйте; доброе утро; добрый вечер; спасибо; привіт; вітаю; добрий день; доброго дня; доброго
ранку; дякую; 你好; 您好; 大家好; 谢谢; 謝謝; こんにちは; おはようございます; お疲れ様です; お疲れさまです; お世話になっております; ありがとうございます;
안녕하세요; 감사합니다; merhaba; selam; günaydın; iyi günler; teşekkürler; sayın
"""
)
