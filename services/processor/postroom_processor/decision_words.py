# ruff: noqa: E501, RUF001
# Words are spelled in the alphabet of their language, look-alikes and double-width letters included.
"""The words a decision may be written in, and the words that stop one: closed lists by language.

To teach Postroom a word, add it to its language's row and a labelled case to the tests. A word that
says yes in one language and something else in another stays out, because nothing in a mail says
reliably which language it is in. Left out for that reason: ``tak`` (Polish yes, Danish thanks),
``si`` without its accent (Spanish and French if), ``так`` (Ukrainian yes, Russian so), ``ok``.

A table has one line per language: its name, a colon, its entries with semicolons between; indented
lines go on. Entries are lower-case and matched as whole words, with any blanks between the words of
a phrase (anywhere in scripts that write no blanks). From ``HARMLESS`` on, entries are patterns.
"""

from __future__ import annotations

Table = dict[str, tuple[str, ...]]


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(";") if entry.strip())


def _table(text: str) -> Table:
    """Read a table as the module describes it."""
    rows: Table = {}
    for row in text.strip().replace("\n    ", " ").split("\n"):
        language, _, entries = row.partition(":")
        rows[language] = _phrases(entries)
    return rows


# Said of the thing itself; counts wherever approve and reject are offered and nothing else.
APPROVE_WORDS = _table(
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
sv: godkänn; godkänd; godkänt; godkänner; jag godkänner; godkännes
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
REJECT_WORDS = _table(
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
YES_WORDS = _table(
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
NO_WORDS = _table(
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
TAIL_WORDS = _phrases(
    r"""
please; pls; it; this; this one; this request; the request; thanks; thank you; by me; from me;
from my side; on my side; bitte; danke; vielen dank; von mir; merci; s'il vous plaît; svp;
gracias; por favor; grazie; per favore; obrigado; obrigada; bedankt; dank je; alstublieft;
dziękuję; dzięki; tak; tack; takk; kiitos; díky; děkuji; спасибо; пожалуйста; дякую; будь ласка;
teşekkürler; 谢谢; 謝謝; ありがとうございます; 감사합니다; lütfen
"""
)

# What may stand in the sentence of a plain yes. Anything else there may be about something else:
# "yes, I am looking at it" approves nothing.
CONFIRMATIONS = _phrases(
    r"""
go ahead; please go ahead; please do; do it; please proceed; proceed; of course; sure; absolutely;
definitely; certainly; fine; fine by me; fine with me; good; great; perfect; looks good;
looks good to me; looks great; all good; good to go; go; go for it; lgtm; ok; okay; ship it;
gerne; sehr gerne; gern; passt; in ordnung; einverstanden; bitte freigeben; natürlich; los; machen;
bien sûr; d'accord; allez-y; vas-y; parfait; adelante; claro; por supuesto; de acuerdo; perfecto;
certo; va bene; procedi; procedete; perfetto; d'accordo; claro que sim; pode seguir; podem avançar;
perfeito; prima; natuurlijk; ga je gang; doe maar; oczywiście; proszę; fint; gerne; helt fint;
kör; självklart; selvfølgelig; kjør; totta kai; hyvä; jistě; samozřejmě; конечно; хорошо; давайте;
звичайно; добре; 可以; 好; 好的; 没问题; お願いします; よろしくお願いします; 大丈夫です; 좋습니다;
진행해 주세요; 진행하세요; tabii; elbette; tamam; olur; buyurun
"""
)

# What may stand before a decision: a greeting with up to three words of a name, or thanks.
GREETINGS = _phrases(
    r"""
hi; hello; hey; dear; good morning; good afternoon; good evening; morning; thanks; thank you;
many thanks; hi there; hi all; hello all; greetings; hallo; guten morgen; guten tag; guten
abend; moin; servus; liebe; lieber; sehr geehrte; sehr geehrter; danke; vielen dank; bonjour;
bonsoir; salut; merci; hola; buenos días; buenos dias; buenas tardes; estimado; estimada;
gracias; ciao; salve; buongiorno; buonasera; gentile; grazie; olá; ola; oi; bom dia; boa tarde;
boa noite; prezado; prezada; caro; cara; obrigado; obrigada; goedemorgen; goedemiddag;
goedenavond; beste; dag; bedankt; cześć; dzień dobry; witam; dziękuję; hej; hejsa; kære; god
morgen; goddag; hejsan; tjena; god morgon; tack; heisan; kjære; takk; hei; moi; terve; hyvää
huomenta; huomenta; kiitos; ahoj; dobrý den; dobré ráno; díky; привет; здравствуйте; добрый
день; доброе утро; добрый вечер; спасибо; привіт; вітаю; добрий день; доброго дня; доброго
ранку; дякую; 你好; 您好; 大家好; 谢谢; 謝謝; こんにちは; おはようございます; お疲れ様です; お疲れさまです; お世話になっております; ありがとうございます;
안녕하세요; 감사합니다; merhaba; selam; günaydın; iyi günler; teşekkürler; sayın
"""
)

# Phrases with a stopping word in them that stop nothing; taken out before the lists below are tried.
HARMLESS = _phrases(
    r"""
(?:at|for|from) (?:the|this|that) moment; no objections?; no objections? from (?:me|my side); no (?:further )?(?:comments?|questions?); no
(?:problems?|issues?|concerns?|worries|complaints?|changes? needed|remarks?); without (?:any
)?(?:objections?|comments?|concerns?); nothing to add; not only; why not; no need to
(?:reply|wait for me); don'?t (?:forget|hesitate|worry); (?:please )?do not hesitate; let me know if; (?:call|ping|ask|tell|mail) me if; if you (?:need|have) (?:any|more); if (?:there are )?any questions; if anything (?:comes up|else); if needed; first of all; right now; once
more; keine (?:weiteren )?(?:einwände|bedenken|anmerkungen|fragen|probleme|kommentare); kein
(?:problem|einwand); nichts dagegen; bei fragen; falls (?:noch )?fragen; ohne
(?:einwände|bedenken); (?:pas|aucun|aucune|sans) (?:de
)?(?:problème|souci|objection|remarque|commentaire)s?; sin
(?:problemas?|objeciones|comentarios|observaciones); ning[uú]n problema; no hay
(?:problemas?|objeciones); sem (?:problemas?|objeções|comentários); nessun(?:a)?
(?:problema|obiezione|commento); senza (?:problemi|obiezioni); geen
(?:bezwaar|bezwaren|problemen?|opmerkingen); bez (?:uwag|zastrzeżeń|připomínek|výhrad); ingen
(?:indvendinger|invändningar|innvendinger|kommentarer|problemer?|bemærkninger); ei
huomautettavaa; ei kommentteja; без (?:замечаний|возражений|вопросов); нет
(?:возражений|замечаний|вопросов); возражений нет; замечаний нет; без зауважень; 没有?问题; 沒有?問題;
没有?意见; 無異議; 无异议; 問題ありません; 問題ないです; 問題なし; 異議なし; 문제\s?없습니다; 이의\s?없습니다; 문제\s?없음; sorun yok; itirazım
yok
"""
)

# Words that take an approval back when they stand in its own sentence.
NEGATIONS = _table(
    r"""
en: not; no; none; never; neither; nor; nothing; nobody; cannot; \w+n't; cant; dont; wont;
    didnt; doesnt; isnt; without; nope; nah; refuse; disapprove; unable; against; non; hardly
de: nicht; kein\w*; nie; niemals; nein; nichts; ohne; weder; keinesfalls; nö; kaum
fr: ne; n'\w+; jamais; non; aucun; aucune; sans; rien; ni
es: nunca; jamás; tampoco; sin; nada; ningún; ninguno; ninguna
it: senza; nessuno; nessuna; niente; nemmeno; neanche
pt: não; nao; sem; nenhum; nenhuma; jamais
nl: niet; geen; nooit; nee; zonder; niets
pl: nie; nigdy; żaden; bez; nic; ani
da/no/sv: ikke; ikkje; inte; ej; nej; nei; aldrig; aldri; uden; uten; utan; ingen; inget; intet
fi: ei; eivät; ettei; älä; älkää; ilman
cs: ne; nikdy; bez; není
ru: не; нет; никогда; без; нельзя; ни; никак
uk: ні; ніколи; немає; не можна
zh: [不没沒未否无無别別勿非]
ja: ない; ません; ず; なし; ぬ; 無
ko: 않; 안; 못; 없; 말고; 마세요; 아니
tr: değil; degil; hayır; yok; asla
other: nem; nincs; nu; tidak; bukan; không; δεν; όχι; ні; няма
"""
)
CONDITIONS = _table(
    r"""
en: if; unless; once; when; whenever; after; before; until; till; provided; providing; assuming;
    subject to; as soon as; as long as; so long as; depending; depends; conditional;
    conditionally; conditioned; contingent; pending; only; except; excluding; apart from; in
    case; under the condition; on condition; first; then; otherwise; given that; partially
de: wenn; falls; sofern; sobald; nachdem; bevor; bis; nur; solange; vorausgesetzt; unter der
    bedingung; vorbehaltlich; außer; ausser; unter vorbehalt; bedingt; erst; sonst; sodass;
    soweit; teilweise
fr: si; sauf; quand; lorsque; dès; après; avant; jusqu'\w+; à condition; sous réserve;
    seulement; uniquement; pourvu; une fois
es: si; cuando; después; antes; hasta; siempre que; salvo; excepto; con la condición; solo;
    sólo; solamente; una vez; a menos; sujeto a; en cuanto
it: se; quando; dopo; prima; finché; purché; a condizione; salvo; tranne; solo; soltanto; una
    volta; a patto; appena
pt: se; quando; depois; antes; até; desde que; caso; salvo; exceto; somente; apenas; só; uma
    vez; assim que; após
nl: als; mits; tenzij; wanneer; zodra; nadat; voordat; tot; alleen; behalve; onder voorbehoud;
    indien; op voorwaarde; eerst
pl: jeśli; jeżeli; gdy; kiedy; dopiero; po tym; zanim; chyba że; pod warunkiem; tylko; oprócz; o
    ile; dopóki; najpierw
da/no/sv: hvis; når; när; såfremt; forudsat; forutsatt; förutsatt; medmindre; med mindre; om inte;
    efter; etter; før; innan; først; först; kun; bare; bara; endast; indtil; inntil; tills;
    undtagen; unntatt; utom; så snart; så længe; så länge; så lenge; under forudsætning; dersom;
    såvida
fi: jos; kun; kunhan; mikäli; ellei; vasta; jälkeen; ennen; vain; edellyttäen; sitten; paitsi;
    ehdolla
cs: pokud; jestli; jestliže; až; když; jakmile; kdyby; jen; pouze; kromě; pod podmínkou; za
    podmínky; nejdřív; dokud; ledaže
ru: если; когда; после; пока; только; кроме; при условии; как только; сначала; до того; прежде
uk: якщо; коли; після; поки; тільки; лише; крім; за умови; щойно; спочатку; перш
zh: 如果; 若; 除非; 等; 之后; 之後; 以后; 以後; 只要; 只有; 前提; 条件; 條件; 先; 假如; 要是; 待; 的话; 的話; 除了
ja: もし; たら; なら; れば; ただし; 条件; 場合; まで; 後で; 後に; てから; 次第; のみ; だけ; 前に; 除
ko: 만약; 면; 조건; 후에; 뒤에; 다음에; 전에; 까지; 만; 경우; 제외
tr: eğer; eger; sonra; önce; kadar; sadece; yalnızca; şartıyla; koşuluyla; takdirde; hariç
other: ha; csak; dacă; daca; numai; doar; ako; samo; jika; kalau; nếu; αν; εάν; ак; dacã; kui
"""
)
HEDGES = _table(
    r"""
en: but; however; though; although; maybe; perhaps; probably; possibly; might; may; could;
    should; would; i think; i guess; i suppose; guess; unsure; sure about; in principle;
    tentatively; tentative; likely; sort of; kind of; almost; nearly; not yet; yet; or; either;
    rather; instead; later; tomorrow; going to; will be; whether; forced; said; says; told; doubt; doubts; unclear;
    waiting; need to; needs to; needed; must; have to; has to; want to; let me; ask; check;
    verify; concern; concerns; worried; question; mean; means; button; supposed; hmm; what; who;
    which; why; how
de: aber; jedoch; allerdings; vielleicht; eventuell; wahrscheinlich; vermutlich; möglicherweise;
    könnte; sollte; würde; müsste; oder; eigentlich; im prinzip; grundsätzlich; später; morgen;
    noch; muss; obwohl; trotzdem; denke; glaube; unsicher; ob
fr: mais; cependant; toutefois; peut-être; probablement; pourrait; devrait; ou; en principe;
    plus tard; demain; pense; crois; quoique; bien que; faut; doit
es: pero; sino; sin embargo; aunque; quizás; quizá; tal vez; probablemente; podría; debería; o;
    en principio; más tarde; mañana; creo; acaso; falta; debe
it: ma; però; tuttavia; anche se; forse; probabilmente; potrebbe; dovrebbe; oppure; o; in linea
    di principio; più tardi; domani; penso; credo; deve; bisogna
pt: mas; porém; no entanto; embora; talvez; provavelmente; poderia; deveria; ou; em princípio;
    mais tarde; amanhã; acho; contudo; todavia; deve; falta
nl: maar; echter; hoewel; misschien; waarschijnlijk; zou; zouden; in principe; later; morgen;
    denk; moet; eerst
pl: ale; jednak; chociaż; choć; może; prawdopodobnie; powinien; powinno; lub; albo; czy;
    później; jutro; myślę; chyba; lecz; musi; trzeba
da/no/sv: men; dog; måske; kanske; kanskje; sandsynligvis; sannsynligvis; förmodligen; burde; borde;
    eller; i princippet; i princip; i prinsippet; senere; senare; tror; skal; måste; imorgen;
    imorgon; i morgen; i morgon; selvom
fi: mutta; kuitenkin; vaikka; ehkä; luultavasti; pitäisi; voisi; tai; periaatteessa; myöhemmin;
    huomenna; luulen; tiedä; pitää; täytyy; vielä
cs: ale; však; ačkoli; možná; asi; pravděpodobně; měl by; mělo by; nebo; v zásadě; později;
    zítra; myslím; avšak; musí; ještě
ru: но; однако; хотя; может; возможно; наверное; вероятно; или; в принципе; позже; завтра;
    думаю; надо; нужно; должен; должно; ли; а
uk: але; проте; однак; хоча; може; можливо; мабуть; або; чи; в принципі; пізніше; завтра; думаю;
    треба; потрібно
zh: 但; 不过; 不過; 然而; 虽然; 雖然; 也许; 也許; 可能; 大概; 或; 还是; 還是; 应该; 應該; 吗; 嗎; 呢; 吧; 原则上; 明天; 需要; 必须
ja: しかし; けど; けれど; が、; でも; たぶん; 多分; おそらく; かも; または; ですか; ますか; でしょうか; 原則; 後ほど; 明日; べき; 必要; と思
ko: 하지만; 그러나; 지만; 아마; 혹시; 또는; 까요; 습니까; 나요; 원칙적; 나중; 내일; 같습니다; 듯; 필요; 해야
tr: ama; fakat; ancak; lakin; belki; muhtemelen; veya; ya da; mı; mü; prensipte; daha sonra;
    yarın; sanırım; gerek; lazım; rağmen
other: de csak; dar; ali; tapi; nhưng; αλλά; но; aga; vajon
"""
)

# The same, but harmless words of other languages look alike; tried after a decision word of that
# language only.
OWN_LANGUAGE_STOPPERS = _table(
    r"""
fi: en; et; emme
da/no/sv: fast; om
tr: \w+m[aıiuüe]yor\w*; \w+[ae]m[ae]\w*; \w+(?:sa|se); \w+(?:ınca|ince|unca|ünce); mi; mu; ise
cs: ne\w{4,}; žádn\w+
it: mai
nl: of; pas
"""
)

# Words that take a decision back wherever in the person's own text they stand.
RETRACTIONS = _table(
    r"""
en: wait; psych; please ignore; hold on; hold off; on hold; stop; actually; on second thoughts?; second thoughts;
    scratch that; disregard; ignore (?:that|this|my); never ?mind; (?:just )?kidding; joking; a
    joke; jk; lol; haha; changed? my mind; changing my mind; retract; withdraw; revoke; take
    (?:it|that|this) back; by (?:mistake|accident); oops; i meant; correction; sarcasm; cancel;
    undo; strike that; forget (?:it|that|what); sorry,? no; or not; don'?t (?:approve|do
    (?:it|this|that)|deploy|release|proceed|go|ship|merge|send|start|run|pay); do not
    (?:approve|do (?:it|this|that)|deploy|release|proceed|go|ship|merge|send|start|run|pay); not
    approved?; as if; yeah right; only if; only after; only when; only once; provided that; on
    (?:the )?condition; subject to; under (?:the )?condition; unless; as long as; conditional;
    conditionally
de: (?:einen |kleinen )moment; moment (?:mal|bitte); moment(?=\s*[,!.…]); warte; warten; stopp; halt; doch nicht; zurückziehen; ziehe .{0,30} zurück; vergiss;
    ignorier\w*; scherz; war nur spaß; meinung geändert; widerrufe; aus versehen; versehentlich;
    unter der bedingung; unter vorbehalt; vorbehaltlich; nur wenn; nur falls; erst wenn; es sei
    denn; sofern; von wegen; nicht genehmigt
fr: attends; attendez; finalement; en fait; je plaisante; blague; annule; annulez; annuler;
    oubliez?; changé d'avis; par erreur; à condition; sous réserve; seulement si; sauf si
es: espera; espere; en realidad; mejor no; cancela; cancele; era broma; es broma; olvida;
    olvídalo; cambié de opinión; por error; siempre que; solo si; sólo si; a menos que; con la
    condición
it: aspetta; aspettate; in realtà; scherzo; scherzavo; annulla; ripensandoci; lascia perdere;
    cambiato idea; per errore; a condizione; purché; solo se; a meno che; a patto
pt: espera; espere; na verdade; brincadeira; cancela; cancele; esquece; esqueça; mudei de ideia;
    por engano; desde que; só se; somente se; a menos que
nl: wacht; toch niet; grapje; eigenlijk; annuleer; vergeet; van gedachten veranderd; per
    ongeluk; mits; tenzij; alleen als; op voorwaarde; onder voorbehoud
pl: czekaj; poczekaj; jednak; żart; żartuję; żartowałem; anuluj; zmieniłem zdanie; zmieniłam
    zdanie; przez pomyłkę; pod warunkiem; tylko jeśli; chyba że; o ile
da/no/sv: vent; vänta; alligevel; likevel; faktisk; faktiskt; annuller; sjov; skojar; ångrar; angrer;
    fortryder; ombestemt; ändrat mig; ved en fejl; av misstag; ved en feil; forudsat; forutsatt;
    förutsatt; medmindre; med mindre; kun hvis; bare hvis; bara om; endast om; tuller; tullet
fi: odota; odottakaa; itse asiassa; vitsi; vitsailen; peru; peruutan; muutin mieleni;
    vahingossa; edellyttäen; vain jos; sittenkään; ellei
cs: počkej; počkejte; vlastně; žert; dělám si srandu; zrušit; zrušte; rozmyslel\w*; omylem; pod
    podmínkou; jen pokud; pouze pokud; ledaže
ru: подожди; подождите; погоди; погодите; стоп; на самом деле; шутка; шучу; передумал\w*;
    отмена; отмените; по ошибке; при условии; только если; если только
uk: зачекай; зачекайте; почекай; почекайте; стоп; насправді; жарт; жартую; передумав;
    передумала; скасуйте; помилково; за умови; тільки якщо; лише якщо
zh: 等等; 等一下; 稍等; 其实; 其實; 开玩笑; 開玩笑; 取消; 算了; 撤回; 改变主意; 弄错; 除非; 前提
ja: 待って; 嘘; うそ; 待った; お待ち(?:ください|下さい); やっぱり; やはり; 冗談; 取り消; 取消; 撤回; 間違え; ただし; 条件
ko: 잠깐; 잠시만; 기다려; 사실은; 농담; 취소; 철회; 실수로; 조건
tr: bekle; bekleyin; aslında; şaka; iptal; vazgeçtim; yanlışlıkla; şartıyla; koşuluyla; dur
"""
)

# Stoppers that count even beside a rejection.
REJECTION_CONDITIONS = _phrases(
    r"""
unless; if; until; wenn; falls; si; se; als; tenzij
"""
)
REJECTION_HEDGES = _phrases(
    r"""
maybe; perhaps; probably; or; vielleicht; oder; peut-être
"""
)

# Conjunctions that, at the start of a later sentence, limit what was said before.
LEADING_HEDGES = _phrases(
    r"""
but; however; although; aber; allerdings; mais; pero; maar; ale; men; mutta; но; але; ama; fakat
"""
)
# Stoppers that start a sentence of an innocent comment too often to count there; of these, the
# conditions still count in the two sentences after the decision.
NOT_LEADING = _phrases(
    r"""
if; once; first; then; when; after; providing
"""
)

# Signs that may follow a decision. Any other picture or smiley in its sentence is a doubt.
FRIENDLY_SIGNS = frozenset("👍✅☑✔🎉🚀🙂😊😀😃😄👌🙏💯❤🥳👏🤝🙌")
UNFRIENDLY_SIGNS = frozenset("👎❌🚫⛔🛑✋😞😕🙁☹😟✖🙅")
JOKING = r"[;:]-?[pPD](?!\w)|;-?\)|(?<!\w)/s(?!\w)"
