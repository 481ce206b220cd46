# ruff: noqa: E501, RUF001
# A line is a case; the alphabets of many languages are what is tested here.
"""Labelled replies by language: what approves, what rejects, what decides nothing.

In each block a line is one reply; ``\\n`` inside stands for a line end.
"""

from __future__ import annotations

from collections.abc import Mapping

_BLOCKS = r"""
en approve
Hi team,\n\nApproved. Great job.\n\nBest regards,\nAnna
Good morning,\nyes, go ahead.
Approve, please see below.\n\nThe figures on page 3 look better than last year.
Approved without reservations.
Approve. No rush.
Approve\n\nHow soon will the new version be visible on the customer portal?
Dear Sir or Madam,\napproved
To whom it may concern,\n\nApproved
OK, approved
Approved as discussed
Yes please go ahead
Approve :-)
Approved, have a nice weekend
en reject
Reject. We need to wait for the tests.
Reject - do not ship
Reject\n\nPlease cancel the deployment.
No. Stop the release.
Reject\n\nNot yet, the tests are red.
Rejected, I don't agree with the price.
No, too early today.
Decline - we still wait for legal.
en -
Reject. Wait, no.
Reject. Hold on.
Reject. Actually, let us talk.
OK no, approve
ok?\napprove
OK if green\napprove
Approved (with reservations)
Approve, with a caveat
Approve, theoretically
Approve, reluctantly
Approve. Not yet.
Approve\n\nI'm not sure.
Approve\n\nI disagree.
Approve\n\nWell, no.
Approve\n\nMy cat wrote that.
Approve\n\nWrong thread.
Approve\n\nAre you sure?
Approve\n\nMake sure the tests are green first.
Approve :/
Approve: X
approve, nvm
approved != final
Approve. I repeat: do not approve
de approve
Grüß Gott,\ngenehmigt
Genehmigt wie besprochen
Guten Morgen,\n\nalles gut.\n\nGenehmigt?|-
Hallo zusammen,\n\ngenehmigt.\n\nViele Grüße\nJana
Genehmigt, ohne Auflagen.
Freigegeben, nichts dagegen
Ja, gerne. Danke!
Sehr geehrte Frau Maier,\n\nich genehmige.\n\nMit freundlichen Grüßen\nKarl Huber
Genehmigt. Bis bald!
de reject
Abgelehnt, bitte warten bis Montag
Abgelehnt, noch nicht fertig
Nein, bitte erst testen
Hallo Bob,\nich lehne das ab.\nGrüße\nJana
de -
Genehmigt (unter Vorbehalt)
Genehmigt, mit Auflagen
Genehmigt, teilweise
Genehmigt bis auf Punkt 2
Genehmigt, hoffentlich
Genehmigt\n\nBitte noch nicht ausrollen
Genehmigt\n\nBin mir nicht sicher.
Genehmigt. Scherz!
Genehmigt. Quatsch, doch nicht.
Ist das genehmigt?
Von mir aus nicht genehmigt
Wird genehmigt
Soll ich genehmigen
fr approve
Cher Luc,\n\nApprouvé
Bonjour à tous,\n\nApprouvé.\n\nBien cordialement,\nLuc
Approuvée, sans réserve
Validé, merci
Oui, allez-y
Approuvé, à bientôt
fr reject
Refusé, pas encore prêt
Non, merci
Bonjour,\nje rejette.\nCordialement
fr -
Approuvé, avec réserves
Approuvé (partiellement)
Approuvé, pas
Approuvé ?
Approuvé, ou pas
Approuvé\n\nPas encore.
Approuvé\n\nJe ne suis pas sûr.
Approuvé, espérons
Approuvé\n\nC'est une blague
Approuvé dès que possible
Est-ce approuvé
es approve
Buenos días,\n\nAprobado.\n\nUn saludo,\nLuis
Aprobada, sin reservas
Lo apruebo, gracias
Sí, por supuesto
Aprobado. ¡Hasta pronto!
es reject
Rechazado, todavía no
No, gracias
Denegado
es -
Aprobado, con reservas
Aprobado (parcialmente)
¿Aprobado?
Aprobado, ojalá
Aprobado\n\nTodavía no.
Aprobado\n\nNo estoy seguro
Aprobado. Es broma.
Aprobado cuando esté listo
No puedo aprobar
Aprobado, a lo mejor
Está aprobado
it approve
Buongiorno,\n\nApprovato.\n\nCordiali saluti,\nLuigi
Approvata, senza riserve
Sì, va bene
Approvo, grazie
Approvato, a presto!
it reject
Rifiutato, non ancora
No, troppo presto
Respinto
it -
Approvato, con riserva
Approvato (in parte)
Approvato?
Approvato, speriamo
Approvato\n\nNon ancora.
Approvato\n\nNon sono sicuro
Approvato. Scherzo!
Approvato dopo i test
Non approvo
Approvato, forse
Mai approvato
pt approve
Bom dia,\n\nAprovado.\n\nAtenciosamente,\nAna
Aprovada, sem ressalvas
Sim, pode seguir
Eu aprovo, obrigada
Aprovado, até logo!
pt reject
Rejeitado, ainda não
Não, obrigado
Reprovado
pt -
Aprovado, com ressalvas
Aprovado (parcialmente)
Aprovado?
Aprovado, tomara
Aprovado\n\nAinda não.
Aprovado\n\nNão tenho certeza
Aprovado. Brincadeira!
Aprovado depois dos testes
Não aprovo
Aprovado, talvez
Nunca aprovado
nl approve
Goedemorgen,\n\nGoedgekeurd.\n\nMet vriendelijke groet,\nJan
Akkoord, zonder voorbehoud
Goedgekeurd, geen bezwaar
Ik keur dit goed. Bedankt.
Goedgekeurd, tot ziens
nl reject
Afgewezen, nog niet klaar
Nee, te vroeg
Geweigerd
nl -
Goedgekeurd, onder voorbehoud
Goedgekeurd (gedeeltelijk)
Goedgekeurd?
Akkoord, hopelijk
Akkoord\n\nNog niet.
Akkoord\n\nIk ben niet zeker
Akkoord. Grapje!
Akkoord zodra het getest is
Niet akkoord
Akkoord, misschien
Nooit goedgekeurd
pl approve
Dzień dobry,\n\nZatwierdzam.\n\nPozdrawiam,\nJan
Zatwierdzone, bez zastrzeżeń
Akceptuję, oczywiście
Zaakceptowane, dzięki
pl reject
Odrzucone, jeszcze nie gotowe
Odmawiam
Nie, za wcześnie
pl -
Zatwierdzam, z zastrzeżeniami
Zatwierdzam (częściowo)
Zatwierdzam?
Zatwierdzam, oby
Zatwierdzam\n\nJeszcze nie.
Zatwierdzam\n\nNie jestem pewien
Zatwierdzam. Żartuję.
Zatwierdzam po testach, dopiero wtedy
Nie akceptuję
Zatwierdzam, może
Nigdy nie zatwierdzone
da approve
Fredag,\nGodkendt.\n\nMed venlig hilsen\nMads|-
Hej Mads,\n\nGodkendt.\n\nMed venlig hilsen\nAnna
Godkendt, uden forbehold
Godkender, tak
da reject
Afvist, ikke klar endnu
Nej, for tidligt
Jeg afviser
da -
Godkendt, med forbehold
Godkendt (delvist)
Godkendt?
Godkendt, forhåbentlig
Godkendt\n\nIkke endnu.
Godkendt. Sjov.
Godkendt når testene er grønne
Ikke godkendt
Godkendt, måske
Aldrig godkendt
sv approve
God morgon,\n\nGodkänt.\n\nMed vänliga hälsningar\nSven
Godkänns, utan förbehåll
Godkänd, tack
sv reject
Avslås, inte klart ännu
Nej, för tidigt
Jag avslår
sv -
Godkänt, med förbehåll
Godkänt (delvis)
Godkänt?
Godkänt, förhoppningsvis
Godkänt\n\nInte än.
Godkänt. Skojar.
Godkänt när testerna är gröna
Inte godkänt
Godkänt, kanske
Aldrig godkänt
no approve
God morgen,\n\nGodkjent.\n\nMed vennlig hilsen\nOla
Godkjent, uten forbehold
Jeg godkjenner, takk
no reject
Avslått, ikke klart ennå
Nei, for tidlig
Jeg avviser
no -
Godkjent, med forbehold
Godkjent (delvis)
Godkjent?
Godkjent, forhåpentligvis
Godkjent\n\nIkke ennå.
Godkjent. Tuller.
Godkjent når testene er grønne
Ikke godkjent
Godkjent, kanskje
Aldri godkjent
fi approve
Hyvää huomenta,\n\nHyväksytty.\n\nYstävällisin terveisin\nMatti
Hyväksyn varauksetta|-
Hyväksyn, ei huomautettavaa
Joo, hyvä
fi reject
Hylätään, ei vielä valmis
Ei, liian aikaista
Hylkään
fi -
Hyväksyn, varauksin
Hyväksyn (osittain)
Hyväksytty?
Hyväksyn, toivottavasti
Hyväksyn\n\nEi vielä.
Hyväksyn. Vitsi.
Hyväksyn kun testit ovat vihreät
En hyväksy tätä
Hyväksyn, ehkä
Ei koskaan hyväksytty
cs approve
Zdravím,\nschváleno
Dobrý den,\n\nSchváleno.\n\nS pozdravem\nJan
Schvaluji, bez výhrad
Ano, samozřejmě
Schvaluji, díky
cs reject
Zamítnuto, ještě ne
Ne, příliš brzy
Odmítám
cs -
Schvaluji, s výhradami
Schvaluji (částečně)
Schváleno?
Schvaluji, snad
Schvaluji\n\nJeště ne.
Schvaluji. Žert.
Schvaluji, až projdou testy
Neschváleno
Schvaluji, možná
Nikdy schváleno
ru approve
Уважаемый Иван,\nодобряю
Коллеги, добрый день!\nСогласовано
Добрый день,\n\nСогласовано.\n\nС уважением,\nИван
Утверждаю, без замечаний
Да, конечно
Одобрено, спасибо!
Одобряю, не против
ru reject
Отклонено, ещё не готово
Нет, слишком рано
Отказано
ru -
Одобряю, с оговорками
Одобряю (частично)
Одобрено?
Одобряю, надеюсь
Одобряю\n\nПока нет.
Одобряю\n\nНе уверен.
Одобряю. Шутка.
Одобряю после тестов
Не утверждаю
Одобряю, может быть
Никогда не одобрено
Я против, не одобряю
uk approve
Шановний Іване,\nпогоджено
Доброго дня,\n\nПогоджено.\n\nЗ повагою,\nІван
Затверджую, без зауважень
Схвалено, дякую!
uk reject
Відхиляю, ще не готово
Ні, зарано
Відмовлено
uk -
Схвалюю, із застереженнями
Схвалюю (частково)
Схвалено?
Схвалюю, сподіваюся
Схвалюю\n\nЩе ні.
Схвалюю\n\nНе впевнений.
Схвалюю. Жарт.
Схвалюю після тестів
Не погоджено
Схвалюю, можливо
Ніколи не схвалено
zh approve
王经理您好：\n\n同意
各位好，\n同意
大家好，\n\n批准。\n\n祝好
同意，没有意见
是的，没问题
核准。谢谢！
无条件同意|-
通过
zh reject
驳回，还没测试
不
否
zh -
不好，同意
没问过您好，同意
不同意您好\n同意
有条件批准
批准（部分）
批准？
批准吧
批准，也许
批准\n\n还没。
批准\n\n不确定。
批准。开玩笑的。
测试之后批准
暂不批准
没有批准
不通过
同意才怪
ja approve
田中様\n\n承認します
田中さん\nお疲れ様です\n承認します
おはようございます。\n承認します。
承認いたします。問題ありません。
はい、お願いします。
承認しました。異議なし。
ja reject
却下。まだテスト中です。
いいえ
否認します
ja -
承認しない様\n承認します
条件付き承認
承認します（一部）
承認しますか
承認でしょうか？
承認します。たぶん。
承認します\n\nいいえ
承認します。冗談です。
テスト後に承認
承認できません
承認いたしかねます
承認待ち
承認者は誰ですか
ko approve
김 부장님,\n승인합니다
안녕하세요,\n\n승인합니다.\n\n감사합니다.
승인합니다. 문제없습니다.
네, 진행해 주세요
예
ko reject
반려합니다. 아직 테스트 중입니다.
아니오
거절합니다
ko -
조건부 승인
승인합니다 (일부)
승인합니까?
승인, 아마
승인합니다\n\n아니요
승인합니다. 농담입니다.
테스트 후에 승인
승인하지 마세요
승인 보류
승인 불가
tr approve
Merhaba,\n\nOnaylandı.\n\nSaygılarımla,\nAli
Onaylıyorum, itirazım yok
Evet, elbette
Onaylıyorum, koşulsuz
tr reject
Reddedildi, henüz hazır değil
Hayır, çok erken
Reddediyorum, teşekkürler
tr -
Onaylıyorum, kısmen
Onaylandı (şartlı)
Onaylandı?
Onaylandı mı
Onaylıyorum, umarım
Onaylıyorum\n\nHenüz değil.
Onaylıyorum. Şaka.
Testlerden sonra onaylıyorum
Onaylamıyorum
Onaylıyorum, belki
Asla onaylandı
"""


def _read(blocks: str) -> dict[str, list[tuple[str, str]]]:
    """Cases by language: (text, label); a line may end with a label of its own behind a bar."""
    found: dict[str, list[tuple[str, str]]] = {}
    language = label = ""
    for line in blocks.strip().splitlines():
        head = line.split(" ")
        if len(head) == 2 and len(head[0]) == 2 and head[1] in ("approve", "reject", "-"):
            language, label = head
            continue
        text, _, own_label = line.partition("|")
        found.setdefault(language, []).append((text.replace("\\n", "\n"), own_label or label))
    return found


BY_LANGUAGE: Mapping[str, list[tuple[str, str]]] = _read(_BLOCKS)

# How programs put the mail that is answered below a reply: {text} is the reply, {quoted} the mail with marks,
# {original} without.
QUOTING: Mapping[str, str] = {
    "Gmail": "{text}\n\nOn Mon, Mar 2, 2026 at 10:00 AM Postroom <p@x.org> wrote:\n\n{quoted}",
    "Gmail, wrapped": "{text}\n\nOn Mon, Mar 2, 2026 at 10:00 AM Postroom Approvals\n<p+abc@x.org> wrote:\n\n{quoted}",
    "Outlook desktop": "{text}\n\nFrom: Postroom <p@x.org>\nSent: Monday, March 2, 2026 10:00 AM\nTo: Anna <a@x.org>\nSubject: Release\n\n{original}",
    "Outlook web": "{text}\n\n________________________________\nFrom: Postroom <p@x.org>\nSent: Monday, March 2, 2026 10:00 AM\nTo: Anna <a@x.org>\nSubject: Release\n\n{original}",
    "Outlook mobile": "{text}\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\nFrom: Postroom <p@x.org>\nSent: Monday, March 2, 2026 10:00:00 AM\nTo: Anna <a@x.org>\nSubject: Release\n\n{original}",
    "Outlook, old": "{text}\n\n-----Original Message-----\nFrom: Postroom\nSent: Monday\nTo: Anna\nSubject: Release\n\n{original}",
    "Apple Mail": "{text}\n\n> On 2 Mar 2026, at 10:00, Postroom <p@x.org> wrote:\n> \n{quoted}",
    "iPhone": "{text}\n\nSent from my iPhone\n\n> On 2 Mar 2026, at 10:00, Postroom <p@x.org> wrote:\n> \n{quoted}",
    "Yahoo": "{text}\n\n\nOn Monday, March 2, 2026 at 10:00:00 AM GMT+1, Postroom <p@x.org> wrote:\n\n\n{original}",
    "Yahoo mobile": "{text}\n\nSent from Yahoo Mail on Android\n\n  On Mon, 2 Mar 2026 at 10:00, Postroom<p@x.org> wrote:\n{original}",
    "Thunderbird": "{text}\n\nOn 02.03.26 10:00, Postroom wrote:\n{quoted}",
    "Thunderbird, below": "On 02.03.26 10:00, Postroom wrote:\n{quoted}\n\n{text}\n",
    "Lotus Notes": "{text}\n\n\n\nFrom:   Postroom <p@x.org>\nTo:     Anna <a@x.org>\nDate:   02.03.2026 10:00\nSubject:        Release\n\n\n\n{original}",
    "Exchange, German": "{text}\n\nVon: Postroom <p@x.org>\nGesendet: Montag, 2. März 2026 10:00\nAn: Anna <a@x.org>\nBetreff: Release\n\n{original}",
    "mutt": "{text}\n\n* Postroom <p@x.org> [2026-03-02 10:00]:\n{quoted}",
    "mobile, one line": "{text}\n\n{quoted}",
}
