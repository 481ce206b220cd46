# ruff: noqa: RUF001
# Words are spelled in the alphabet of their language; a pattern is easier to read in one piece.
"""How mail programs mark what is not the author's own: tables of lines, by language and program.

To teach Postroom another program or language, add a row; each says why it is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Named = tuple[str, str]
"""A rule's name, and its reason in words."""


@dataclass(frozen=True)
class LineRule:
    """A line that is not the author's own.

    Attributes:
        name: What the rule is called, in tests and by ``explain``.
        kind: What such a line is.
        reason: Said to people by ``explain``.
        pattern: Matched at the start of the line, case-insensitively.
        rest_too: Whether everything after it goes as well.
    """

    name: str
    kind: str
    reason: str
    pattern: re.Pattern[str]
    rest_too: bool

    @property
    def named(self) -> Named:
        """The rule's name and reason."""
        return self.name, self.reason


def _any(*phrases: str) -> str:
    return "(?:" + "|".join(phrases) + ")"


def _rule(name: str, kind: str, reason: str, pattern: str, *, rest_too: bool) -> LineRule:
    return LineRule(name, kind, reason, re.compile(pattern, re.I), rest_too)


# Words of "-----Original Message-----" as Outlook, Lotus and Exchange write it.
_ORIGINAL = _any(
    *("original message", "original appointment", "originalnachricht", "ursprüngliche nachricht"),
    *("ursprünglicher termin", "message d[’']origine", "message original", "mensaje original"),
    *("messaggio originale", "mensagem original", "oorspronkelijk bericht", "origineel bericht"),
    *("wiadomość oryginalna", "oryginalna wiadomość", "original meddelelse", "oprindelig meddelelse"),
    *("ursprungligt meddelande", "originalmeddelande", "opprinnelig melding", "original besked"),
    *("alkuperäinen viesti", "původní zpráva", "исходное сообщение", "оригинальное сообщение"),
    *("вихідне повідомлення", "原始邮件", "原始郵件", "原邮件", "元のメッセージ", "원본 메시지"),
    *("původní e-?mail", "оригінальне повідомлення", "початкове повідомлення", "邮件原件", "郵件原件"),
    *("원본 이메일", "원본 메일", "özgün ileti", "orijinal mesaj", "original e-?mail", "reply message"),
)
_FORWARDED = _any(
    *("forwarded message", "forwarded by .*", "weitergeleitete nachricht", "message transféré"),
    *("message transfere", "mensaje reenviado", "messaggio inoltrato", "mensagem encaminhada"),
    *("mensagem reencaminhada", "doorgestuurd bericht", "przekazana wiadomość"),
    *("wiadomość przekazana", "videresendt meddelelse", "videresendt besked"),
    *("vidarebefordrat meddelande", "videresendt melding", "edelleenlähetetty viesti"),
    *("välitetty viesti", "přeposlaná zpráva", "пересылаемое сообщение"),
    *("пересланное сообщение", "переслане повідомлення", "转发的邮件", "轉寄郵件", "转发邮件信息"),
    *("転送されたメッセージ", "전달된 메시지", "yönlendirilen ileti", "iletilmiş mesaj"),
    *("weitergeleitet von .*", "transféré par .*", "reenviado por .*", "inoltrato da .*"),
    *("перенаправленное сообщение", "转发的消息", "轉寄的訊息", "轉寄的郵件", "转发邮件"),
)
_BEGIN_FORWARDED = _any(
    *("begin forwarded message", "anfang der weitergeleiteten", "début du message (?:réexpédié|transféré)"),
    *("inicio del mensaje reenviado", "inizio messaggio inoltrato", "início da mensagem (?:re)?encaminhada"),
    *("begin doorgestuurd bericht", "początek przekazywanej", "start på videresendt"),
    *("vidarebefordrat brev", "videresendt melding", "начало переадресованного", "下面是被转发的邮件"),
    *("välitetty viesti", "začátek přeposílané zprávy", "початок листа, що пересилається"),
    *("以下是轉寄的郵件", "転送されたメッセージ", "전달된 메시지", "iletilen (?:e-posta|mesaj)"),
)
# What programs for phones offer of themselves: a verb, the program, a system. No comma or colon inside.
_GET_PROGRAM = _any(
    *("get", "download", "try", "holen sie sich", "laden sie", "obtenir", "obtenez", "télécharger"),
    *("téléchargez", "obtener", "obtenga", "descargar", "ottieni", "scarica", "obter", "obtenha", "baixe"),
    *("download", "pobierz", "hent", "få", "hämta", "skaffa", "hanki", "lataa", "získat", "stáhnout"),
    *("скачать", "скачайте", "получить", "загрузить", "завантажити", "отримати", "获取", "下载", "取得"),
    "下載",
)
_PROGRAM = (
    r"[^,;:!?]{0,25}\b(?:outlook|bluemail|yahoo mail|gmail|k-9|mail)\b[^,;:!?]{0,25}"
    r"\b(?:ios|android|mac|iphone|windows)\b"
)
# No comma or colon inside: what goes on after one is somebody talking.
_SENT_FROM = _any(
    r"\w+ \w+ (?:mail|e-?mail)\s?<https?://\S{1,200}> (?:for|für|pour|para|per|voor|dla|till?) windows"
    r"(?: \d\d)?",
    rf"{_GET_PROGRAM}\b{_PROGRAM}",
    r"(?:ios|android|windows)\s?(?:版|용|için)[^,;:!?]{0,4}(?:outlook|メール|메일|posta)[^,;:!?]{0,20}",
    r"outlook (?:for )?(?:ios|android) ?(?:を入手|다운로드)",
    r"[从從] ?windows ?[版的]{1,2} ?[邮郵]件[发傳]送",
    r"取得 (?:ios|android) 版 outlook",
    r"yahoo mail: search, organize, conquer",
    *(
        r"sent (?:from|via|with|using) (?:my |the |a |an )?\S[^,;:!?]{0,60}",
        r"get outlook for (?:ios|android|mac)[^,;:!?]{0,60}",
    ),
    *(
        r"download [^,;:!?]{0,20}outlook [^,;:!?]{0,60}",
        r"from my (?:iphone|ipad|android|mobile|phone|blackberry)[^,;:!?]{0,30}",
    ),
    *(
        r"(?:von|aus) mein(?:em|er) [^,;:!?]{2,40} gesendet[^,;:!?]{0,40}",
        r"gesendet (?:von|mit|aus) [^,;:!?]{2,60}",
        r"diese nachricht wurde von meinem [^,;:!?]{2,60}",
    ),
    *(
        r"outlook für (?:ios|android|mac)[^,;:!?]{0,40}",
        r"envoyé (?:de(?:puis)?|à partir de|avec|par) [^,;:!?]{2,60}",
    ),
    *(
        r"(?:télécharger|obtenir|obtenez) outlook [^,;:!?]{2,60}",
        r"enviado (?:desde|do|de|pelo|via|con) [^,;:!?]{2,60}",
    ),
    *(
        r"(?:obtener|obter|obtenga|descargar) o? ?outlook [^,;:!?]{2,60}",
        r"inviato (?:da|dal|con|tramite) [^,;:!?]{2,60}",
        r"scarica outlook [^,;:!?]{2,60}",
    ),
    *(
        r"(?:verstuurd|verzonden) (?:vanaf|vanuit|met|via) [^,;:!?]{2,60}",
        r"outlook (?:voor|til|för|for|pour|para|per|dla|pro) (?:ios|android|mac)[^,;:!?]{0,40}",
    ),
    *(
        r"(?:wysłane|wysłano) (?:z|ze|za) [^,;:!?]{2,60}",
        r"(?:sendt|afsendt) (?:fra|via|med) [^,;:!?]{2,60}",
        r"hent outlook [^,;:!?]{2,60}",
    ),
    *(
        r"skicka(?:t|des) (?:från|med|via) [^,;:!?]{2,60}",
        r"(?:skaffa|hämta) outlook [^,;:!?]{2,60}",
        r"lähetetty [^,;:!?]{2,40}",
        r"odesláno (?:z|ze|pomocí) [^,;:!?]{2,60}",
    ),
    *(
        r"отправлено (?:с|из|от) [^,;:!?]{2,60}",
        r"надіслано (?:з|із|зі) [^,;:!?]{2,60}",
        r"发自我的[^,;:!?]{1,30}",
        r"從我的[^,;:!?]{1,30}傳送",
        r"寄自我的[^,;:!?]{1,30}",
        r"发自[^,;:!?]{1,30}",
    ),
    *(
        r"(?:my )?(?:iphone|ipad|android)から送信",
        r"[^,;:!?]{1,30}から送信",
        r"나의 [^,;:!?]{1,20}에서 보냄",
        r"[^,;:!?]{1,30}에서 보냄",
    ),
    *(
        r"[^,;:!?]{2,30}[''’]?(?:den|dan|tan|ten) gönderildi",
        r"sent from [^,;:!?]{2,60}",
        r"yahoo mail for [^,;:!?]{2,40}",
    ),
)
_ABOVE_LINE = _any(
    r"(?:please )?(?:reply|respond|type|write|enter|add)\b.{0,40}\babove this line",
    r"bitte antworten sie (?:ober|über)halb dieser",
    r"répondez au-dessus de cette ligne",
    r"responda? (?:por )?(?:encima|acima) de(?:sta| esta) l",
    r"rispondi sopra questa riga",
)
_CLOSING = _any(
    *(
        "(?:(?:many )?thanks and )?(?:kind(?:est)?|best|warm(?:est)?|with (?:kind|best)|many)? ?regards",
        "all the best",
        "yours (?:sincerely|faithfully|truly)",
    ),
    *(
        "sincerely(?: yours)?",
        "best wishes",
        "(?:mit )?(?:freundlich|best|herzlich|lieb|viel|schön)\\w* gr(?:ü|ue)(?:ß|ss)(?:e|en)?"
        "(?: aus .{2,30})?",
    ),
    *(
        "gr(?:ü|ue)(?:ß|ss)e",
        "mfg",
        "vg",
        "lg",
        "hochachtungsvoll",
        "(?:bien )?cordialement",
        "(?:bien|très) à vous",
        "(?:meilleures )?salutations(?: distinguées)?",
    ),
    *(
        "(?:bien )?amicalement",
        "saludos(?: cordiales)?",
        "un (?:cordial )?saludo",
        "atentamente",
        "cordiali saluti",
        "distinti saluti",
    ),
    *(
        "saluti",
        "(?:com os melhores )?cumprimentos",
        "atenciosamente",
        "att\\.?",
        "abraços?",
        "(?:met )?vriendelijke groet(?:en)?",
    ),
    *(
        "mvg",
        "groet(?:en|jes)?",
        "(?:z )?pozdrawiam",
        "z poważaniem",
        "(?:z )?pozdrowienia(?:mi)?",
        "(?:med )?venlig hilsen",
        "(?:de )?(?:bedste|venlige) hilsner",
    ),
    *(
        "mvh",
        "kh",
        "(?:beste |bedste )?hilsen",
        "(?:med )?vänliga? hälsning(?:ar)?",
        "hälsningar",
        "(?:med )?vennlig hilsen",
        "(?:ystävällisin|parhain) terveisin",
        "terveisin",
        "t\\.",
    ),
    *(
        "s (?:přátelským )?pozdravem",
        "hezký den",
        "всего (?:доброго|хорошего)",
        "з найкращими побажаннями",
        "с уважением",
        "з повагою",
        "此致",
        "敬礼",
        "(?:谢谢[，, ]{0,2})?祝好",
        "(?:以上[、,]?\\s?)?よろしくお願い(?:いた)?します",
        "よろしくお願い致します",
        "敬具",
    ),
    *("감사합니다", "수고하세요", "드림", "saygılarımla", "iyi çalışmalar", "sevgiler"),
)
_DISCLAIMER = _any(
    r"(?:this|the) (?:e-?mail|message|communication|transmission)\b.{0,120}"
    r"\b(?:confidential|privileged|intended|legally)",
    r"(?:confidentiality|privacy|legal) (?:notice|disclaimer)",
    r"disclaimer\s*(?::|$)",
    r"if you are not the (?:intended|named) ",
    r"(?:please )?consider the environment",
    r"please think of the environment",
    r"diese (?:e-?mail|nachricht)\b.{0,80}vertraulich",
    r"der inhalt dieser e-?mail",
    r"ce (?:message|courriel|mail)\b.{0,100}confidentiel",
    r"este (?:mensaje|correo|e-?mail)\b.{0,100}confiden",
    r"esta mensagem\b.{0,100}confiden",
    r"questo messaggio\b.{0,100}(?:riservat|confidenzial)",
    r"(?:dit|deze) (?:bericht|e-?mail)\b.{0,100}vertrouwelijk",
    r"registered (?:office|in england)\b",
    r"(?:geschäftsführer|handelsregister|amtsgericht|sitz der gesellschaft)\b",
)
_OUTSIDE = (
    r"\W{0,6}(?:you don[’']t often get e-?mail from|sie erhalten nicht oft e"
    r"|vous ne recevez pas souvent de|no suele recibir correo|non si ricevono spesso"
    r"|u (?:krijgt|ontvangt) niet vaak e-?mail)\b"
    r"|\W{0,6}(?:caution|external|warning|attention|achtung|vorsicht|extern|important|notice"
    r"|this (?:e-?mail|message))\b"
    r".{0,80}(?:originated|outside (?:of )?(?:the|your|our)|external (?:e-?mail|sender|source|message)"
    r"|externe[rn]? (?:e-?mail|absender)|außerhalb|from outside|don't often get)"
)

# What is taken of a drawn line is not given back, or a long one takes time by the square of its length.
_DRAWN = r"\W{0,6}?[-_=*]{2,}+\s*+"

QUOTED = _rule(
    "quoting-mark",
    "quote",
    "a line that starts with a quoting mark",
    r"\s{0,3}(?:[A-Za-z]{0,3}[>＞](?!\s*[:：]\s*$)|\|\s|»)",
    rest_too=False,
)
LINE_RULES: tuple[LineRule, ...] = (
    _rule(
        "original-message",
        "original",
        "Outlook's line above the mail that is answered",
        rf"{_DRAWN}{_ORIGINAL}\s*+[-_=*]{{2,}}",
        rest_too=True,
    ),
    _rule(
        "original-message-chinese",
        "original",
        "Outlook's line above the mail that is answered, in Chinese programs",
        rf"{_DRAWN}(?:原始邮件|原始郵件|原邮件|original)\s*+-",
        rest_too=True,
    ),
    _rule(
        "forwarded-message",
        "forward",
        "the line above a forwarded mail",
        rf"{_DRAWN}{_FORWARDED}",
        rest_too=True,
    ),
    _rule(
        "begin-forwarded",
        "forward",
        "Apple Mail's line above a forwarded mail",
        rf"\W{{0,3}}{_BEGIN_FORWARDED}.{{0,30}}[:：]?\s*$",
        rest_too=True,
    ),
    _rule("reply-above-line", "marker", "the line above which to write", rf"\W*{_ABOVE_LINE}", rest_too=True),
    _rule(
        "tobit-original",
        "original",
        "Tobit david's line above the mail that is answered",
        r"\W*original(?: message|-nachricht) (?:processed|bearbeitet|verarbeitet)\b",
        rest_too=True,
    ),
    _rule(
        "notes-summary",
        "attribution",
        "Notes' line about the mail that is answered",
        r".{2,60} ---\s?\d{1,2}[./-]\d{1,2}[./-]\d{2,4} \d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: [AP]M)?\s?---",
        rest_too=True,
    ),
    _rule(
        "underscore-divider",
        "divider",
        "Outlook's line of underscores above the history",
        r"\s*_{10,}\s*$",
        rest_too=True,
    ),
    _rule(
        "signature-delimiter",
        "signature",
        "the signature delimiter (RFC 3676 section 4.3), also as clients bend it",
        r"\s{0,2}(?:--|—|–|__|-{3,5})\s*$",
        rest_too=True,
    ),
    _rule(
        "program-banner",
        "banner",
        "the name of the program or device",
        rf"[\s*_<\[(]{{0,3}}{_SENT_FROM}(?:\s?[<(\[]?https?://\S{{1,200}})?[\s*_>\])]{{0,3}}$",
        rest_too=False,
    ),
    _rule("outside-warning", "warning", "a mail gateway's warning", _OUTSIDE, rest_too=False),
    _rule(
        "outside-mark",
        "warning",
        "a mail gateway's mark",
        r"\s*\[?(?:external|extern|externe)(?: e-?mail| sender)?\]?[:!]?\s*$",
        rest_too=False,
    ),
    _rule("legal-notice", "disclaimer", "a legal notice", rf"\W*{_DISCLAIMER}", rest_too=True),
    _rule(
        "closing-formula",
        "closing",
        "a closing formula; the name and the rest of a signature follow",
        rf"\s*{_CLOSING}\s*(?:[,.!，。]|\s)*$",
        rest_too=True,
    ),
)
# A closing formula on the very first line is not one: "Cheers" may be all there is.
NEEDS_TEXT_BEFORE = frozenset({"closing", "disclaimer"})

# "On … wrote:". The verb, or an address followed by a colon together with a date, tells.
WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|schreibt|geschrieben|ha escrit|écrit|escribió|escribio|escribe"
    r"|ha scritto|scrisse"
    r"|escreveu|schreef|geschreven|napisał(?:a|\(a\))?|pisze|skrev|kirjoitti|napsal(?:a|\(a\))?|píše"
    r"|написал(?:а|\(а\))?|пишет|пише|написав|написала|yazdı|a scris|írta|napisana przez)\b"
    r"|写道|寫道|写到|のメール|のメッセージ|さんは書きました|作成|작성|썼습니다|씀|쓴 글",
    re.I,
)
ATTRIBUTION_STARTS = re.compile(
    r"\W{0,3}(?:on|at|am|le|el|il|em|às|no dia|op|w dniu|dnia|den|dne|på|kl|da|se|в|у|在|date"
    r"|mon|tue|wed|thu|fri|man|tir|ons|tor|tors|fre|lør|søn|mån|tis|lör|sön"
    r"|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|gio|sab|seg|ter|qua|qui"
    r"|sex|ma|wo|za|zo|pon|wt|śr|czw|pt|ti|ke|to|pe|la|su|po|út|st|čt|pá|so|ne|пн|вт|ср|чт|пт|сб|вс|нд)\b"
    r"[.,]{0,2}\s|\W{0,3}\d{1,4}\s?[-./年년]\s?\d|\W{0,3}\d{1,2}\.? \w{3,12}",
    re.I,
)

# Outlook's header block: label by kind. Three kinds in a few lines, or from and date, make a block.
_LABELS: dict[str, tuple[str, ...]] = {
    "from": (
        *(
            "보낸사람",
            "보낸이",
            "from",
            "von",
            "de",
            "da",
            "van",
            "od",
            "fra",
            "från",
            "lähettäjä",
            "от",
            "від",
            "发件人",
        ),
        *("寄件者", "差出人", "보낸 사람", "kimden", "gönderen", "expéditeur", "mittente", "remetente"),
    ),
    "date": (
        *("sent", "date", "gesendet", "datum", "envoyé", "envoyé le", "enviado", "enviado el", "fecha"),
        *("enviada", "enviada em", "data", "inviato", "verzonden", "wysłano", "wysłane", "sendt", "dato"),
        *("skickat", "lähetetty", "päiväys", "odesláno", "отправлено", "дата", "надіслано", "发送时间"),
        *(
            "日期",
            "時間",
            "寄件日期",
            "送信日時",
            "日付",
            "보낸 날짜",
            "날짜",
            "gönderildi",
            "tarih",
            "gönderme tarihi",
        ),
        *("skickat den", "sendt den", "when", "message du", "보낸날짜", "發送時間", "发送日期"),
    ),
    "to": (
        *(
            "받는사람",
            "받는이",
            "pour",
            "copie à",
            "to",
            "an",
            "à",
            "a",
            "para",
            "aan",
            "do",
            "til",
            "till",
            "vastaanottaja",
            "komu",
            "кому",
        ),
        *(
            "收件人",
            "收件者",
            "宛先",
            "받는 사람",
            "kime",
            "alıcı",
            "destinataire",
            "destinatario",
            "cc",
            "kopie",
        ),
    ),
    "subject": (
        *(
            "sujet",
            "thema",
            "subject",
            "betreff",
            "objet",
            "asunto",
            "oggetto",
            "assunto",
            "onderwerp",
            "temat",
            "emne",
        ),
        *("ämne", "aihe", "předmět", "тема", "主题", "主旨", "件名", "제목", "konu"),
    ),
}
LABEL_KINDS = {label: kind for kind, labels in _LABELS.items() for label in labels}
LABEL = re.compile(r"[\s*_>]{0,12}([^\W\d_][\w ]{0,18}?)\s?\*?\s?[:：]")
# A line of nothing but dashes; it belongs to what is cut below it.
DASHES = re.compile(r"\s*+(?:[-=–—]\s?+){5,}+\s*+$")
