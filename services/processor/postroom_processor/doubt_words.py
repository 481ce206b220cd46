# ruff: noqa: E501, RUF001
# Words are spelled in the alphabet of their language, look-alikes and double-width letters included.
"""The words that stop a decision: closed lists by language, laid out as `decision_words` describes.

Every entry is a pattern. Adding one can only turn a decision into "unclear", so a word that may mean a
doubt goes in; one that people put into innocent comments goes into ``HARMLESS`` together with its company.
"""

from __future__ import annotations

from postroom_processor.decision_words import phrases, table

# Phrases with a stopping word in them that stop nothing; taken out before the lists below are tried.
HARMLESS = phrases(
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
yok;
no (?:rush|hurry); not urgent; nothing else; can'?t wait; cannot wait; not bad; no reservations?; without (?:any )?(?:reservations?|conditions?|caveats?|restrictions?);
no conditions; unconditionally; sorry for (?:not|the) \w+; ohne (?:auflagen|vorbehalt\w*|einschränkung\w*|bedingung\w*|änderungen); bis auf weiteres; sans (?:réserve|condition|restriction|modification)s?;
sin (?:condiciones|reservas|cambios); senza (?:condizioni|riserve|modifiche); sem (?:ressalvas|condições|alterações|reservas); zonder (?:voorbehoud|voorwaarden|wijzigingen); bez (?:warunków|podmínek|zmian|změn);
(?:uden|uten|utan) (?:forbehold|förbehåll|betingelser|villkor|vilkår|ændringer|ändringar|endringer); ehdoitta; varauksetta; без (?:оговорок|условий|изменений); без (?:застережень|умов|змін); 无条件; 無条件; 無條件; 무조건; 조건\s?없이; koşulsuz; şartsız; не против; не проти; a presto; à bientôt; até (?:breve|logo|já); hasta (?:pronto|luego);
bis bald; tot (?:snel|straks|ziens); see you (?:soon|later|tomorrow); talk (?:soon|later)
"""
)

# Words that take an approval back when they stand in its own sentence.
NEGATIONS = table(
    r"""
en: not; no; none; never; neither; nor; nothing; nobody; cannot; \w+n't; cant; dont; wont;
    didnt; doesnt; isnt; without; nope; nah; refuse; disapprove; unable; against; non; hardly
de: nicht; kein\w*; nie; niemals; nein; nichts; ohne; weder; nö; kaum
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
CONDITIONS = table(
    r"""
en: if; unless; once; when; whenever; after; before; until; till; provided; providing; assuming;
    subject to; as soon as; as long as; so long as; depending; depends; conditional;
    conditionally; conditioned; contingent; pending; only; except; excluding; apart from; in
    case; under the condition; on condition; first; then; otherwise; given that; partially;
    reservations?; caveats?; proviso; conditions?; limitations?; restrictions?; limited; restricted; in
    part; partly; partial; for now; provisional; provisionally; preliminary; with (?:minor |small |some
    )?(?:changes|amendments|edits|modifications); requires?; needs; barring; modulo; minus; iff; w/o;
    w/out; on the understanding; dependent; dependant; trial;
    up to(?! date); max(?:imum)?\.? \d+; maximum; at most; no more; besides; less; aside from; starting;
    this time; capped
de: wenn; falls; sofern; sobald; nachdem; bevor; bis; nur; solange; vorausgesetzt; unter der
    bedingung; außer; ausser; unter vorbehalt; bedingt; erst; sonst; sodass;
    soweit; teilweise;
    auflagen?; vorbehalt\w*; einschränkung\w*; bedingung\w*; mit (?:kleinen )?änderungen; vorläufig; zum
    teil; in teilen; bis auf; eingeschränkt; probeweise; testweise; ausgenommen; abzüglich;
    voraussetzung\w*; zunächst; vorerst;
    höchstens; maximal; maximum
fr: si; sauf; quand; lorsque; dès; après; avant; jusqu'\w+; à condition; sous réserve;
    seulement; uniquement; pourvu; une fois;
    réserves?; conditions?; partiellement; en partie; provisoire\w*; avec (?:des )?modifications?;
    hormis; excepté; à part; pour l'instant; pour le moment; restrictions?; conditionn\w+;
    au plus; maximum
es: si; cuando; después; antes; hasta; siempre que; salvo; excepto; con la condición; solo;
    sólo; solamente; una vez; a menos; sujeto a; en cuanto;
    reservas?; condici(?:ón|ones); parcial\w*; en parte; provisional\w*; con cambios; excepción; por
    ahora; de momento; requiere;
    máximo; como mucho
it: se; quando; dopo; prima; finché; purché; a condizione; salvo; tranne; solo; soltanto; una
    volta; a patto; appena;
    riserv[ae]; condizion[ei]; parzial\w+; in parte; provvisori\w+; con modifiche; eccetto; eccezione;
    per ora; per il momento; richiede;
    fino a; massimo
pt: se; quando; depois; antes; até; desde que; caso; salvo; exceto; somente; apenas; só; uma
    vez; assim que; após;
    ressalvas?; condiç(?:ão|ões); parcial\w*; em parte; provisóri\w+; com alterações; exceção; por
    enquanto; por agora; requer;
    máximo
nl: als; mits; tenzij; wanneer; zodra; nadat; voordat; tot; alleen; behalve; onder voorbehoud;
    indien; op voorwaarde; eerst;
    voorbehoud; voorwaarden?; gedeeltelijk; deels; voorlopig; met (?:kleine )?wijzigingen; uitgezonderd;
    met opmerkingen; beperkt; vooralsnog;
    maximaal; hoogstens
pl: jeśli; jeżeli; gdy; kiedy; dopiero; po tym; zanim; chyba że; pod warunkiem; tylko; oprócz; o
    ile; dopóki; najpierw;
    zastrzeżeni\w+; warunk\w+; częściow\w+; wstępnie; na razie; ze zmianami; z wyjątkiem; z uwagami;
    maksymalnie; najwyżej
da/no/sv: hvis; når; när; såfremt; forudsat; forutsatt; förutsatt; medmindre; med mindre; om inte;
    efter; etter; før; innan; først; först; kun; bare; bara; endast; indtil; inntil; tills;
    undtagen; unntatt; utom; så snart; så længe; så länge; så lenge; under forudsætning; dersom;
    såvida;
    forbehold; förbehåll; betingelse\w*; betinget; betingat; villkor\w*; vilkår; delvist?; foreløbig\w*;
    preliminärt; midlertidig\w*; tills vidare; indtil videre; inntil videre; med
    (?:ændringer|ändringar|endringer); bortset fra; bortsett fra; förutom;
    op til; opp til; upp till; højst; høyst; högst; maks; maksimalt; maximalt
fi: jos; kun; kunhan; mikäli; ellei; vasta; jälkeen; ennen; vain; edellyttäen; sitten; paitsi;
    ehdolla;
    ehdollis\w+; ehdoin; ehto; varauksin; varauksella; osittain; alustavasti; toistaiseksi; muutoksin;
    lukuun ottamatta; lukuunottamatta;
    enintään; korkeintaan
cs: pokud; jestli; jestliže; až; když; jakmile; kdyby; jen; pouze; kromě; pod podmínkou; za
    podmínky; nejdřív; dokud; ledaže;
    výhrad\w+; podmín\w+; částečně; předběžně; zatím; se změnami; vyjma; s výjimkou; s připomínkami;
    maximálně; nejvýše
ru: если; когда; после; пока; только; кроме; при условии; как только; сначала; до того; прежде;
    оговорк\w+; услови\w+; условно; частично; с замечаниями; предварительно; временно; за исключением; с
    изменениями;
    максимум
uk: якщо; коли; після; поки; тільки; лише; крім; за умови; щойно; спочатку; перш;
    застереж\w+; умов\w+; частково; з зауваженнями; із зауваженнями; попередньо; тимчасово; поки що; за винятком; зі
    змінами;
    максимум; щонайбільше
zh: 如果; 若; 除非; 等; 之后; 之後; 以后; 以後; 只要; 只有; 前提; 条件; 條件; 先; 假如; 要是; 待; 的话; 的話; 除了;
    部分; 暂时; 暫時; 保留; 初步; 例外; 仅; 僅; 只;
    最多
ja: もし; たら; なら; れば; ただし; 条件; 場合; まで; 後で; 後に; てから; 次第; のみ; だけ; 前に; 除;
    一部; 仮; 暫定; 保留; 待ち; 留保;
    最大; 以内; 上限
ko: 만약; 면; 조건; 후에; 뒤에; 다음에; 전에; 까지; 만; 경우; 제외;
    일부; 부분; 보류; 임시; 잠정; 대기;
    최대; 이내
tr: eğer; eger; sonra; önce; kadar; sadece; yalnızca; şartıyla; takdirde; hariç;
    şartlı; şart; koşul\w*; kısmen; kısmi; geçici; şimdilik; dışında; çekince\w*;
    en fazla; en çok
other: ha; csak; dacă; daca; numai; doar; ako; samo; jika; kalau; nếu; αν; εάν; ак; dacã; kui
"""
)
HEDGES = table(
    r"""
en: half; quarter; \d+ ?%; save; saving; void; abort; wonder; wondering; advise; explain; wrote; quoting;
    draft; translated; duress; protest; negative; blocked; unsubscribe; but; however; though; although; maybe; perhaps; probably; possibly; might; may; could;
    should; would; i think; i guess; i suppose; guess; unsure; sure about; in principle;
    tentatively; tentative; likely; sort of; kind of; almost; nearly; not yet; yet; or; either;
    rather; instead; later; tomorrow; going to; will be; whether; forced; said; says; told; doubt; doubts; unclear;
    waiting; need to; needs to; needed; must; have to; has to; want to; let me; ask; check;
    verify; concern; concerns; worried; question; mean; means; button; supposed; hmm; what; who;
    which; why; how;
    theoretically; technically; hypothetically; reluctantly; presumably; supposedly; allegedly;
    apparently; ideally; hopefully; eventually; soon; sometime; someday; idk; dunno; tbd; tbc; n/a;
    whatever; false; sarcastically; ironically; irony; hesitant; hesitantly; next
    (?:week|month|year|time); deciding; undecided; i hope; hm; sarcasm;
    dead; broken; missing; fails?; failed; failing; wrong; incomplete; outdated; expired; obsolete;
    corrupt\w*; unreadable; crash\w*; unfortunately; regret\w*;
    too (?:early|late|soon|expensive|risky|much|many|long|big|small|low|high|old|slow); bad; poor; terrible;
    awful; horrible; stupid; ridiculous; nonsense; useless; unacceptable; disappoint\w*; unhappy;
    suspicious; strange; odd; weird; confus\w*; lost; buggy; risky; dangerous; illegal; where;
    pity; empty; as ordered
de: aber; jedoch; allerdings; vielleicht; eventuell; wahrscheinlich; vermutlich; möglicherweise;
    könnte; sollte; würde; müsste; oder; eigentlich; im prinzip; grundsätzlich; später; morgen;
    noch; muss; obwohl; trotzdem; denke; glaube; unsicher; ob;
    theoretisch; hypothetisch; widerwillig; angeblich; hoffentlich; irgendwann; bald; egal; meinetwegen;
    zögernd; ironie; ironisch; nächste woche; unentschlossen;
    kaputt; defekt; fehlt; fehlen; fehlerhaft; falsch; tot; leider; unvollständig; veraltet; abgelaufen;
    schlecht; zu (?:früh|spät|teuer|riskant|viel|lang); seltsam; komisch; unsinn; gescheitert;
    fehlgeschlagen
fr: mais; cependant; toutefois; peut-être; probablement; pourrait; devrait; ou; en principe;
    plus tard; demain; pense; crois; quoique; bien que; faut; doit;
    théoriquement; hypothétiquement; apparemment; espérons; bientôt; un jour; faux; ironie; peu importe;
    à contrecœur; la semaine prochaine; normalement; éventuellement; bof;
    cassée?s?; mort(?:e|s|es)?; manque\w*; erroné\w*; malheureusement; incomplet; incomplète; obsolète;
    expirée?; mauvais\w*; trop (?:tôt|tard|cher|risqué|long); bizarre; dommage; échou\w+
es: pero; sino; sin embargo; aunque; quizás; quizá; tal vez; probablemente; podría; debería; o;
    en principio; más tarde; mañana; creo; acaso; falta; debe;
    teóricamente; hipotéticamente; supuestamente; ojalá; pronto; algún día; falso; ironía; da igual; la
    próxima semana; a lo mejor; la semana que viene;
    rot[oa]s?; muert[oa]; faltan; incorrect[oa]; desgraciadamente; lamentablemente; incomplet[oa];
    obsolet[oa]; caducad[oa]; mal[oa]?; demasiado; rar[oa]; lástima; fall[aó]n?
it: ma; però; tuttavia; anche se; forse; probabilmente; potrebbe; dovrebbe; oppure; o; in linea
    di principio; più tardi; domani; penso; credo; deve; bisogna;
    teoricamente; ipoteticamente; presumibilmente; apparentemente; speriamo; presto; un giorno; falso;
    ironia; boh; eventualmente; la prossima settimana; magari;
    rott[oa]; mort[oa]; manca; mancano; sbagliat[oa]; purtroppo; incomplet[oa]; obsolet[oa]; scadut[oa];
    male; troppo; stran[oa]; peccato; fallit[oa]
pt: mas; porém; no entanto; embora; talvez; provavelmente; poderia; deveria; ou; em princípio;
    mais tarde; amanhã; acho; contudo; todavia; deve; falta;
    teoricamente; hipoteticamente; supostamente; tomara; em breve; um dia; falso; ironia; tanto faz;
    eventualmente; na próxima semana; se calhar;
    quebrad[oa]; mort[oa]; faltam; errad[oa]; infelizmente; incomplet[oa]; obsolet[oa]; expirad[oa]; mau;
    má; ruim; demasiado; estranh[oa]; falh\w+
nl: maar; echter; hoewel; misschien; waarschijnlijk; zou; zouden; in principe; later; morgen;
    denk; moet; eerst;
    theoretisch; hypothetisch; vermoedelijk; hopelijk; binnenkort; ooit; ironie; ironisch; eventueel;
    volgende week;
    kapot; stuk; dood; ontbreekt; ontbreken; fout; verkeerd; helaas; onvolledig; verouderd; verlopen;
    slecht; te (?:vroeg|laat|duur|riskant); vreemd; raar; jammer; mislukt
pl: ale; jednak; chociaż; choć; może; prawdopodobnie; powinien; powinno; lub; albo; czy;
    później; jutro; myślę; chyba; lecz; musi; trzeba;
    teoretycznie; hipotetycznie; podobno; oby; wkrótce; kiedyś; fałsz; ironia; raczej; ewentualnie; w
    przyszłym tygodniu;
    zepsut\w+; brakuje; brak; błędn\w+; niestety; niekompletn\w+; nieaktualn\w+; zł[yae]; źle; zbyt;
    za (?:wcześnie|późno|drogo); dziwn\w+; szkoda
da/no/sv: men; dog; måske; kanske; kanskje; sandsynligvis; sannsynligvis; förmodligen; burde; borde;
    eller; i princippet; i princip; i prinsippet; senere; senare; tror; skal; måste; imorgen;
    imorgon; i morgen; i morgon; selvom;
    teoretisk\w*; hypotetisk\w*; angiveligt; forhåbentlig\w*; förhoppningsvis; forhåpentlig\w*; snart;
    ironi; ironisk\w*; formodentlig; eventuelt; eventuellt; næste uge; nästa vecka; neste uke;
    ødelagt; trasig\w*; död\w*; død\w*; mangler; saknas; forkert; fel; feil; desværre; dessverre; tyvärr;
    ufuldstændig; ufullstendig; ofullständig; forældet; utdatert; föråldra\w+; dårlig\w*; dålig\w*;
    for (?:tidligt?|sent|dyrt?); för (?:tidigt|sent|dyrt); mærkelig\w*; merkelig\w*; konstig\w*; mislykk\w+;
    misslyck\w+
fi: mutta; kuitenkin; vaikka; ehkä; luultavasti; pitäisi; voisi; tai; periaatteessa; myöhemmin;
    huomenna; luulen; tiedä; pitää; täytyy; vielä;
    teoriassa; hypoteettisesti; toivottavasti; pian; joskus; ironiaa; ensi viikolla; kenties;
    rikki; kuollut; puuttuu; väärin; väärä; valitettavasti; vanhentunut; huono; liian; outo; epäonnistui
cs: ale; však; ačkoli; možná; asi; pravděpodobně; měl by; mělo by; nebo; v zásadě; později;
    zítra; myslím; avšak; musí; ještě;
    teoreticky; hypoteticky; údajně; snad; doufejme; brzy; někdy; ironie; příští týden; třeba;
    rozbit\w+; mrtv\w+; chybí; špatn\w+; bohužel; neúpln\w+; zastaral\w+; příliš;
    moc (?:brzy|pozdě|drah\w+); divn\w+; selhal\w*
ru: но; однако; хотя; может; возможно; наверное; вероятно; или; в принципе; позже; завтра;
    думаю; надо; нужно; должен; должно; ли; а;
    теоретически; гипотетически; якобы; надеюсь; скоро; когда-нибудь; ирония; сарказм; наверно; видимо;
    вроде; кажется; на следующей неделе; потом;
    сломан\w*; битая; отсутств\w+; неверн\w+; неправильн\w+; к сожалению; неполн\w+; устарел\w*; истек\w*;
    истёк\w*; плох\w+; слишком; странн\w+; жаль; упал\w*
uk: але; проте; однак; хоча; може; можливо; мабуть; або; чи; в принципі; пізніше; завтра; думаю;
    треба; потрібно;
    теоретично; гіпотетично; нібито; сподіваюся; скоро; колись; іронія; сарказм; здається; наступного
    тижня; потім;
    зламан\w*; бита; відсутн\w+; невірн\w+; неправильн\w+; на жаль; неповн\w+; застаріл\w*;
    поган\w+; занадто; надто; дивн\w+; шкода
zh: 但; 不过; 不過; 然而; 虽然; 雖然; 也许; 也許; 可能; 大概; 或; 还是; 還是; 应该; 應該; 吗; 嗎; 呢; 吧; 原则上; 明天; 需要; 必须;
    理论上; 理論上; 假设; 好像; 似乎; 下周; 下週; 再说; 再說; 随便; 隨便; 反话; 讽刺; 考虑; 考慮;
    坏; 壞; 错; 錯; 缺; 失效; 过期; 過期; 太早; 太晚; 太贵; 太貴; 可惜; 奇怪; 遗憾; 遺憾; 失败; 失敗; 是否; 能否; 可否
ja: しかし; けど; けれど; が、; でも; たぶん; 多分; おそらく; かも; または; ですか; ますか; でしょうか; 原則; 後ほど; 明日; べき; 必要; と思;
    理論上; 仮に; らしい; いずれ; 皮肉; 来週; 検討; かな; だろう; でしょう; かね;
    壊れ; 切れ; 誤り; 間違い; 欠け; 残念; 失敗; 早すぎ; 遅すぎ; 高すぎ; おかしい; エラー
ko: 하지만; 그러나; 지만; 아마; 혹시; 또는; 까요; 습니까; 나요; 원칙적; 나중; 내일; 같습니다; 듯; 필요; 해야;
    이론상; 가정; 언젠가; 다음 주; 검토; 글쎄; 반어;
    깨졌; 고장; 누락; 잘못; 유감; 실패; 너무 (?:이르|늦|비싸|빠르); 만료; 오류
tr: ama; fakat; ancak; lakin; belki; muhtemelen; veya; ya da; mı; mü; prensipte; daha sonra;
    yarın; sanırım; gerek; lazım; rağmen;
    teorik; umarım; yakında; bir gün; ironi; galiba; herhalde; haftaya; gelecek hafta;
    bozuk; ölü; eksik; yanlış; maalesef; geçersiz; kötü; çok (?:erken|geç|pahalı); garip; başarısız; yazık
other: de csak; dar; ali; tapi; nhưng; αλλά; но; aga; vajon
"""
)

# Comments that take a part of what was asked, tried against each clause of the decision's sentence as a whole:
# "approve, the old one", "approve: page 2". Bare numbers and letters have no row here.
SELECTIONS = table(
    r"""
en: (?:the|that|those|these|your|my|his|her) (?:\w+
    ){0,2}(?:ones?|first|second|third|fourth|last|latter|former|latest|newest|oldest|rest|others?|versions?|variants?|options?|proposals?|drafts?|half|parts?|alternatives?|numbers?|items?|points?|lines?|pages?|sections?);
    (?:options?|versions?|variants?|items?|parts?|pages?|lines?|points?|sections?|numbers?|no|nr|proposals?|alternatives?)
    \w{1,3}; mine; yours; his; hers; theirs; ours; both; some; (?:some|most|parts?|a few) of (?:it|them); a few; most;
    several;
    (?:the|that|those) ones?(?: \w+){1,3}; one of (?:them|these|those);
    \w+'s (?:version|one|part|draft|option|proposal); from (?:mon|tues|wednes|thurs|fri|satur|sun)day
de: (?:den|die|das|der|dem) (?:\w+
    )?(?:(?:alte|neue|erste|zweite|dritte|letzte|andere|ältere|obere|untere|linke|rechte)[nrs]?|rest|hälfte|version|variante|option|teil|entwurf|vorschlag);
    (?:punkte?|version|variante|option|seiten?|teil|nummer|position(?:en)?) \w{1,3}; beide; einige; manche
fr: (?:le|la|les) (?:\w+
    )?(?:premi(?:er|ère)s?|deuxième|seconde?|troisième|derni(?:er|ère)s?|anciens?|anciennes?|nouveau|nouvelle|autres?|reste|moitié|version|variante|option|partie);
    l'(?:ancienne|ancien|autre|option|original); (?:points?|pages?|partie|numéro) \w{1,3}; les deux; certaine?s;
    quelques-uns
es: (?:el|la|los|las) (?:\w+
    )?(?:(?:primer|segund|tercer|últim|viej|antigu|nuev|otr)[oa]s?|anterior(?:es)?|resto|mitad|versión|opción|parte|variante);
    (?:puntos?|opción|versión|página|parte|número) \w{1,3}; ambos; ambas; algun[oa]s
it: (?:il|la|lo|i|le|gli) (?:\w+
    )?(?:(?:prim|second|terz|ultim|nuov)[oaie]|vecchi[oae]?|precedente|resto|metà|versione|opzione|parte);
    l'(?:altr[oa]|ultim[oa]|opzione); (?:punt[oi]|versione|opzione|pagina|numero) \w{1,3}; entramb[ie]; alcun[ie]
pt: (?:o|a|os|as) (?:\w+
    )?(?:(?:primeir|segund|terceir|últim|velh|antig|nov|outr)[oa]s?|anterior|resto|metade|versão|opção|parte);
    (?:pontos?|versão|opção|página) \w{1,3}; alguns; algumas
nl: (?:de|het|die) (?:\w+
    )?(?:oude|nieuwe|eerste|tweede|derde|laatste|andere|vorige|rest|helft|versie|optie|variant|deel);
    (?:punt(?:en)?|versie|optie|pagina|deel|nummer) \w{1,3}; sommige; enkele
pl: (?:t[aęe]n?
    )?(?:star[yaąe]|now[yaąe]|pierwsz[yaąe]|drug[iaąe]|trzeci[aąe]?|ostatni[aąe]?|poprzedni[aąe]?|inn[yaąe])(?:
    wersj\w+)?; (?:punkty?|wersj[aę]|opcj[aę]|strona|część|numer) \w{1,3}; oba; obie; niektóre
da/no/sv: (?:den|det|de)
    (?:gamle|gamla|nye|nya|første|första|anden|andre|andra|tredje|siste|sidste|sista|forrige|förra|øverste|nederste)(?:
    \w+)?; (?:punkt|versjon|version|side|sida|del|nummer) \w{1,3}; begge; båda; noen; nogle; några; resten
fi: (?:se )?(?:vanha|uusi|ensimmäinen|toinen|kolmas|viimeinen|edellinen)(?: \w+)?;
    (?:kohta|kohdat|versio|vaihtoehto|sivu|osa|numero) \w{1,3}; loput; puolet; molemmat; jotkut
cs: (?:t[aeou]n? )?(?:star[ýáéou]|nov[ýáéou]|první|druh[ýáéou]|třetí|posledn[íě]|předchozí|jin[ýáéou])(?: verz\w+)?;
    (?:body?|verz[ei]|strana|část|číslo) \w{1,3}; obě; některé
ru: (?:(?:тот|ту|та|то|те)
    )?(?:стар(?:ый|ую|ая|ое|ые)|нов(?:ый|ую|ая|ое|ые)|перв(?:ый|ую|ая|ое|ые)|втор(?:ой|ую|ая|ое|ые)|трет(?:ий|ью|ья|ье)|последн\w+|предыдущ\w+|друг(?:ой|ую|ая|ое|ие))(?:
    \w+)?; (?:пункты?|верси[яю]|вариант|страница|часть|номер) \w{1,3}; оба; обе; некоторые
uk: (?:(?:той|ту|та|те|ті)
    )?(?:стар(?:ий|у|а|е|і)|нов(?:ий|у|а|е|і)|перш(?:ий|у|а|е|і)|друг(?:ий|у|а|е|і)|трет(?:ій|ю|я|є)|останн\w+|попередн\w+|інш(?:ий|у|а|е|і))(?:
    \w+)?; (?:пункти|версі[яю]|варіант|сторінка|частина) \w{1,3}; обидва; обидві; деякі
zh: 那个; 旧的; 舊的; 新的; 第[一二三四五六七八九十\d]+\w{0,2}; 前者; 后者; 後者; 另一个; 另一個; 其他; (?:选项|選項|方案)\w{1,2}
ja: (?:古い|新しい|最初の|前の|後の|別の|他の)(?:方|もの|版|案|やつ)?(?:を|で|です)?; \w{1,2}番目?(?:を|で|です)?; 両方
ko: (?:이전|첫|두|마지막|다른|새|기존) ?(?:번째|것|거|버전|안)\w{0,3}; 전자; 후자; 둘 다
tr: eski(?:si|yi|sini)?(?: \w+)?; yeni(?:si|yi|sini)?(?: \w+)?; ilk(?:i|ini)?(?: \w+)?; ikinci(?:si|sini)?(?: \w+)?;
    son(?:uncu|uncusu)?(?: \w+)?; diğeri(?:ni)?; (?:madde|sürüm|seçenek|sayfa|bölüm) \w{1,3}; bazıları
"""
)
# How a question begins that has no mark: "approve: does it work".
QUESTIONS = table(
    r"""
en: (?:does|did|is|are|was|were|has|can|could|will|would|should|shall)(?:n't)?
    (?:it|this|that|these|those|he|she|they|we|i|you|there|the|all|any\w*|everyone|everybody|everything|my|our|your);
    (?:do|have|had|am) (?:these|those|they|we|i|you)
de:
    (?:ist|sind|war|hat|haben|hast|habt|geht|gehen|läuft|funktioniert|klappt|stimmt|gibt|kann|können|kannst|darf|soll|sollen|wird|werden|wurde|brauchen|müssen)
    (?:das|es|die|der|dies\w*|ihr|wir|sie|er|ich|man|du|alles|jemand)
fr: (?:est|va|fait|peut|doit|marche|fonctionne|sera|sont|ont)-(?:ce|il|elle|on|ils|elles);
    (?:a|marche|fonctionne|va)-t-(?:il|elle|on); (?:avez|êtes|pouvez|savez)-vous; (?:as|es|peux|sais)-tu
es: (?:funciona|es|está|sirve) (?:esto|eso); se puede
it: (?:funziona|è|va) (?:questo|questa|quello); si può
pt: (?:funciona|é|está) (?:isto|isso); será que
nl: (?:is|zijn|was|heeft|hebben|kan|kunnen|mag|werkt|klopt|gaat|wordt)
    (?:het|dit|dat|deze|die|er|ik|je|jij|we|wij|u|alles)
da/no/sv: (?:er|är|var|har|kan|virker|fungerer|fungerar|vil|vill|skal|ska|får)
    (?:det|den|dette|detta|disse|dessa|vi|du|ni|de|jeg|jag|man|alt|allt|alle|alla)
fi: \w{3,}k[oö] (?:se|tämä|tuo|ne|nämä|kaikki|joku|sinä|te|me|he)
"""
)

# The same, but harmless words of other languages look alike; tried after a decision word of that
# language only.
OWN_LANGUAGE_STOPPERS = table(
    r"""
fi: en; et; emme
da/no/sv: fast; om
tr: \w+m[aıiuüe]yor\w*; \w+[ae]m[ae]\w*; \w+(?:sa|se); \w+(?:ınca|ince|unca|ünce); mi; mu
cs: ne\w{4,}; žádn\w+
it: mai
nl: of; pas
fr: pas; guère
"""
)

# Words that take a decision back wherever in the person's own text they stand.
RETRACTIONS = table(
    r"""
en: conditions? (?:is|are); wait; psych; please ignore; hold on; hold off; on hold; stop; actually; on second thoughts?;
    second thoughts; scratch that; disregard; ignore (?:that|this|my); never ?mind; (?:just
    )?kidding; joking; a joke; jk; lol; haha; changed? my mind; changing my mind; retract; withdraw;
    revoke; take (?:it|that|this) back; by (?:mistake|accident); oops; i meant; correction; sarcasm;
    cancel; undo; strike that; forget (?:it|that|what); sorry,? no; or not; don'?t (?:approve|do
    (?:it|this|that)|deploy|release|proceed|go|ship|merge|send|start|run|pay); do not (?:approve|do
    (?:it|this|that)|deploy|release|proceed|go|ship|merge|send|start|run|pay); not approved?; as if;
    yeah right; only if; only after; only when; only once; provided that; on (?:the )?condition;
    subject to; under (?:the )?condition; unless; as long as; conditional; conditionally; wrong
    (?:mail|e-?mail|thread|message|button|person|window|chat|reply|recipient|address); my mistake;
    my bad; (?:was|is) (?:just |only )?a (?:typo|mistake|joke|prank); autocorrect\w*;
    my (?:cat|dog|kid|son|daughter|toddler)(?: \w+)? (?:wrote|typed|sent|pressed); was my
    (?:cat|dog|kid|son|daughter|toddler); hacked; i was wrong; (?:was|is) meant for; ignore (?:the
    )?(?:above|previous|last|former|first); nvm; j/k; sike; psyche; gotcha; got you; april
    fools?; fooled (?:you|ya); bazinga; (?:just|only) (?:a )?test(?:ing)?; on reflection; get back
    to you; hahaha\w*; hah; xd; rofl; lmao; whatever; i take that back; sarcastic\w*;
    (?:sure|oh),? right; (?:yeah|right|oh|sure),? sure; yeah,? yeah; in your dreams; when pigs fly;
    dream on; good luck with (?:that|it); thanks for nothing; famous last words; my foot; go wrong;
    big surprise; if you say so; have it your way
de: (?:einen |kleinen )moment; moment (?:mal|bitte); moment(?=\s*[,!.…]); warte; warten; stopp;
    halt; doch nicht; zurückziehen; ziehe .{0,30} zurück; vergiss; ignorier\w*; scherz; war nur
    spaß; meinung geändert; widerrufe; aus versehen; versehentlich; unter der bedingung; unter
    vorbehalt; vorbehaltlich; nur wenn; nur falls; erst wenn; es sei denn; sofern; von wegen; nicht
    genehmigt; falsche (?:e-?mail|mail|nachricht|adresse|antwort); falscher
    (?:knopf|empfänger|thread); falsches fenster; mein fehler; war (?:nur )?(?:ein
    )?(?:test|scherz|witz|irrtum|fehler|versehen); irrtümlich; nur ein test; doch nein; antwort(?:
    ist|:)? nein; entscheide (?:später|morgen); ironie; haha\w*; quatsch;
    ja,? ja; jaja; schon klar; wer'?s glaubt; na toll; wenn du meinst; viel glück damit
fr: attends; attendez; finalement; en fait; je plaisante; blague; annule; annulez; annuler;
    oubliez?; changé d'avis; par erreur; à condition; sous réserve; seulement si; sauf si; mauvais
    (?:mail|message|destinataire|bouton|fil); mon erreur; mdr;
    ouais,? ouais; bien sûr,? bien sûr; c'est ça; si tu le dis
es: espera; espere; en realidad; mejor no; cancela; cancele; era broma; es broma; olvida; olvídalo;
    cambié de opinión; por error; siempre que; solo si; sólo si; a menos que; con la condición;
    mensaje equivocado; correo equivocado; me equivoqu\w+; mi error; fue un error; jaja\w*;
    ya,? claro; sí,? claro; si tú lo dices
it: aspetta; aspettate; in realtà; scherzo; scherzavo; annulla; ripensandoci; lascia perdere;
    cambiato idea; per errore; a condizione; purché; solo se; a meno che; a patto; messaggio
    sbagliato; mail sbagliata; (?:mi sono )?sbagliat[oa]; mi sbagliavo; è stato un errore;
    come no; sì,? certo; se lo dici tu
pt: espera; espere; na verdade; brincadeira; cancela; cancele; esquece; esqueça; mudei de ideia; por
    engano; desde que; só se; somente se; a menos que; mensagem errada; e-?mail errado; foi um erro;
    kkk+;
    sim,? claro; pois sim
nl: wacht; toch niet; grapje; eigenlijk; annuleer; vergeet; van gedachten veranderd; per ongeluk;
    mits; tenzij; alleen als; op voorwaarde; onder voorbehoud; verkeerde?
    (?:mail|e-mail|bericht|knop|persoon); mijn fout; vergissing; foutje;
    tuurlijk,? tuurlijk; als jij het zegt
pl: czekaj; poczekaj; jednak; żart; żartuję; żartowałem; anuluj; zmieniłem zdanie; zmieniłam zdanie;
    przez pomyłkę; pod warunkiem; tylko jeśli; chyba że; o ile; zły (?:mail|wątek|adresat|przycisk);
    pomyłka; pomyliłe?a?m; mój błąd;
    ta,? jasne; jasne,? jasne; akurat
da/no/sv: vent; vänta; alligevel; likevel; faktisk; faktiskt; annuller; sjov; skojar; ångrar;
    angrer; fortryder; ombestemt; ändrat mig; ved en fejl; av misstag; ved en feil; forudsat;
    forutsatt; förutsatt; medmindre; med mindre; kun hvis; bare hvis; bara om; endast om; tuller;
    tullet; forkert (?:mail|knap|tråd); fel (?:mejl|mail|knapp|tråd|person); feil
    (?:e-post|mail|knapp|tråd); min fejl; mitt fel; mitt misstag; min feil; fejltagelse; ett misstag;
    jo,? jo; visst,? visst; ja,? ja
fi: odota; odottakaa; itse asiassa; vitsi; vitsailen; peru; peruutan; muutin mieleni; vahingossa;
    edellyttäen; vain jos; sittenkään; ellei; väärä (?:viesti|nappi|vastaanottaja); erehdys;
    joo,? joo; niin varmaan
cs: počkej; počkejte; vlastně; žert; dělám si srandu; zrušit; zrušte; rozmyslel\w*; omylem; pod
    podmínkou; jen pokud; pouze pokud; ledaže; špatn\w+ (?:mail|e-mail|zpráva|vlákno|adresát); můj
    omyl; spletl\w*;
    jo,? jasně; jasně,? jasně
ru: подожди; подождите; погоди; погодите; стоп; на самом деле; шутка; шучу; передумал\w*; отмена;
    отмените; по ошибке; при условии; только если; если только; ошиб(?:ся|лась); моя ошибка;
    ага,? конечно; ну да; щас
uk: зачекай; зачекайте; почекай; почекайте; стоп; насправді; жарт; жартую; передумав; передумала;
    скасуйте; помилково; за умови; тільки якщо; лише якщо; помилився; помилилася; моя помилка;
    ага,? звісно; ну так
zh: 等等; 等一下; 稍等; 其实; 其實; 开玩笑; 開玩笑; 取消; 算了; 撤回; 改变主意; 弄错; 除非; 前提; 发错; 發錯; 搞错; 搞錯; 手滑; 误发; 誤發; 点错; 點錯;
    个屁; 才怪;
    呵呵
ja: 待って; 嘘; うそ; 待った; お待ち(?:ください|下さい); やっぱり; やはり; 冗談; 取り消; 取消; 撤回; 間違え; ただし; 条件; 誤送信;
    はいはい
ko: 잠깐; 잠시만; 기다려; 사실은; 농담; 취소; 철회; 실수로; 조건; 잘못 보; 잘못 눌;
    퍽이나
tr: bekle; bekleyin; aslında; şaka; iptal; vazgeçtim; yanlışlıkla; şartıyla; koşuluyla; dur; yanlış
    (?:mail|mesaj|kişi|tuş|e-posta); bugün olmaz;
    tabii,? tabii
"""
)

# Words that contradict an approval wherever they stand; beside a rejection they are its reasons.
DISSENT = table(
    r"""
en: opposite; just for show; \w+ decides; delete this; deadline (?:has )?passed; remove me; su{3,}re; i lied; (?:scrap|belay) (?:that|it|this); take (?:it |that |this )?all back; under (?:protest|duress); hostage;
    gun to my head; thumbs down; hard pass; noo+; naa+h?; uh-uh; nay; nyet; kill (?:it|this|that); declining;
    (?:decisions?|approvals?|answers?|replies) (?:is|are) not; never approve;
    i (?:disagree|disapprove|object|veto|refuse|decline|reject)(?: to)?; veto; vetoed; i(?: do
    not|'?m not| am not| don'?t| can'?t| cannot| won'?t| will not)
    (?:agree|approve|want|like|think|consent|support|accept|sure|happy|convinced|ready|in favou?r);
    not (?:really )?(?:sure|yet|today|now|convinced|ready); n[o0]t an (?:approval|yes|answer); not
    mean (?:yes|approve[ds]?|approval); doesn'?t mean (?:yes|approve[ds]?|approval); was(?:n'?t|
    not) me; i (?:did not|didn'?t) (?:write|send|mean|say|type) (?:this|that|it); hell no;
    (?:better|rather|maybe|preferably) not; (?:answer|vote|decision|verdict)(?: is| was)?:? (?:a
    )?(?:no|reject|rejected|negative); (?:it'?s|it is|that'?s|this is) a no; i
    (?:say|said|vote|voted) no; i(?: will|'ll) (?:decide|think)(?: about)?; (?:has|have|had)(?:n'?t|
    not) (?:yet )?decided; undecided; let'?s not; let us not; please hold;
    (?:hold|pause|postpone|delay|defer) (?:this|that|it)
de: bin dagegen; einspruch; veto; widerspreche; bin (?:mir )?(?:noch )?(?:nicht |un)sicher; (?:bitte
    |aber )?noch nicht; lieber nicht; besser nicht; bitte nicht; nicht
    (?:ausrollen|freigeben|ausführen|starten|deployen|veröffentlichen|genehmigen|zustimmen|bezahlen|versenden);
    stimme (?:dem |hier )?nicht zu; gilt nicht; nicht entschieden; nicht heute
fr: c'est une (?:erreur|blague); c'était une (?:erreur|blague); je (?:m'oppose|refuse|ne suis
    pas|n'approuve|ne veux|ne valide); pas encore; pas d'accord; plutôt pas; surtout pas; veto; ne
    (?:pas )?(?:déploy\w+|lanc\w+|publi\w+|envoy\w+|valid\w+|approuv\w+); c'est non; est non; pas
    sûre?; réponse\s?: non; pas aujourd'hui
es: me opongo; no estoy (?:de acuerdo|segur[oa]); todavía no; aún no; mejor que no; no
    (?:apruebo|despleg\w+|desplieg\w+|publi\w+|envi\w+|lanc\w+|ejecut\w+); veto; (?:la
    )?respuesta(?: es|:) no; es un no; hoy no
it: mi oppongo; non (?:sono
    (?:d'accordo|sicur[oa])|approvo|ancora|pubblic\w+|invi\w+|esegu\w+|proced\w+); meglio di no;
    veto; risposta è no; è un no; non oggi
pt: me enganei; enganei-me; oponho-me; me oponho; não (?:concordo|aprovo|tenho certeza|estou de
    acordo|publi\w+|envi\w+|execut\w+); ainda não; melhor não; veto; resposta é não; é um não; hoje
    não
nl: ik ben (?:er )?tegen; ik ben (?:het er )?niet (?:mee eens|zeker); nog niet; liever niet; beter
    niet; niet (?:uitrollen|doen|publiceren|versturen|goedkeuren); veto; antwoord is nee; vandaag
    niet
pl: sprzeciw\w*; nie (?:zgadzam|zatwierdzam|akceptuję|jestem
    pew\w+|wdrażaj\w*|publikuj\w*|wysyłaj\w*); jeszcze nie; lepiej nie; weto; odpowiedź (?:brzmi|to)
    nie; nie dzisiaj; nie dziś
da/no/sv: protesterer; protesterar; ikke enig; inte överens; håller inte med; ikke
    (?:endnu|ennå|enda|i dag|sikker); inte (?:än|ännu|i dag|idag|säker); helst ikke; helst inte;
    bedre ikke; bättre inte; vil ikke; vill inte; veto; svaret er nej; svaret är nej; svaret er nei
fi: vastustan; en (?:hyväksy|ole samaa|ole varma|halua); ei (?:vielä|tänään); mieluummin ei; parempi
    ei; veto; vastaus on ei
cs: nesouhlasím; neschvaluj\w+; nejsem si jist\w+; ještě ne; raději ne; radši ne; veto; odpověď
    (?:je|zní) ne; dnes ne
ru: не (?:то|тому) (?:письмо|сообщение|адресату); возражаю; не
    (?:согласен|согласна|одобряю|уверен|уверена|надо|нужно|запускайте|выкладывайте|публикуйте|сегодня);
    против; пока не; ещё не; еще не; лучше не; вето; ответ:? нет
uk: заперечую; не (?:згоден|згодна|погоджуюсь|схвалюю|певен|впевнений|треба|запускайте|сьогодні); ще
    не; поки не; краще не; вето; проти; відповідь:? ні
zh: 反对; 反對; 不同意; 不确定; 不確定; 还没; 還沒; 暂不; 暫不; 先不要; 不要; 最好不
ja: 反対; 賛成でき; 承認しない; 承認できません; 承認しません; わかりません; 中止; 保留; いいえ
ko: 반대; 동의하지; 승인하지; 확실하지; 아직; 보류; 하지\s?마; 중지; 아니요; 아니오
tr: itiraz ediyorum; karşıyım; onaylamıyorum; emin değilim; henüz değil; istemiyorum; yapmayın;
    durdur\w*; cevabım hayır; veto
"""
)

# Retractions that are a rejection's reason where they go on: "reject, wait for the tests"; but "reject. Wait, no".
DELAYS = phrases(
    r"""
wait; hold on; hold off; stop; cancel; warte; warten; stopp; halt; attends; attendez; annule; annulez; annuler; espera; espere;
cancela; cancele; aspetta; aspettate; annulla; wacht; annuleer; czekaj; poczekaj; anuluj; vent; vänta; annuller;
odota; odottakaa; peru; počkej; počkejte; zrušit; zrušte; подожди; подождите; погоди; погодите; отмените; зачекай;
зачекайте; почекай; почекайте; скасуйте; bekle; bekleyin; iptal
"""
)
# Retractions that can only agree with a rejection.
REFUSALS = phrases(
    r"""
(?:please )?(?:do not|don'?t) (?:approve|deploy|release|proceed|go|ship|merge|send|start|run|pay); not approved?
"""
)

# Stoppers that count even beside a rejection.
REJECTION_CONDITIONS = phrases(
    r"""
unless; if; until; wenn; falls; si; se; als; tenzij
"""
)
REJECTION_HEDGES = phrases(
    r"""
maybe; perhaps; probably; or; vielleicht; oder; peut-être
"""
)

# Conjunctions that, at the start of a later sentence, limit what was said before.
LEADING_HEDGES = phrases(
    r"""
but; however; although; aber; allerdings; mais; pero; maar; ale; men; mutta; но; але; ama; fakat
"""
)
# Stoppers that start a sentence of an innocent comment too often to count there; of these, the
# conditions still count in the two sentences after the decision.
NOT_LEADING = phrases(
    r"""
if; once; first; then; when; after; providing
"""
)

# Words that open a sentence and change nothing in it: "well, no".
FILLERS = phrases(
    r"""
well; um; uh; uhm; er; err; hmm; hm; oh; ah; ok; okay; so; sorry; please; just; though; and; then; hey; bitte;
also; naja; na ja; tja; na; äh; doch; alors; bon; euh; ben; bueno; pues; eh; beh; allora; bom; bem; então; nou;
cóż; no cóż; nåh; nja; altså; alltså; tak; no; ну; так; что ж; ні; а; eee; şey; yani; えっと; あの; ええと; 嗯; 那个; 음; 저
"""
)
# What doubts an approval where it is a whole sentence below it.
ALONE = phrases(
    r"""
test; testing; n; n0; draft; this is a draft; void; this is void; abort; revert; blocked; scrapped; pass; skip;
negative; that was spam; error; typo; wrong; mistake; hold; pause; objections?; rejections?; rejecting; disapproval; spam; fehler;
irrtum; einwand; erreur; errore; erro; fout; błąd; fejl; fel; feil; virhe; chyba; ошибка; помилка; 错误; エラー; 오류; hata
"""
)
# What ends a sentence that names what has to come before.
BEFOREHAND = phrases(
    r"""
first; before; beforehand; before that; zuerst; vorher; davor; zunächst; d'abord; avant; auparavant; antes; primero; prima;
primeiro; eerst; najpierw; wcześniej; først; först; ensin; ennen; nejdřív; předtím; сначала; сперва; до этого;
спочатку; перед цим; önce; 先; 之前; 前に; 먼저
"""
)
# Adverbs that limit nothing; any other one that is all of a comment is a doubt ("approve, theoretically").
FRIENDLY_ADVERBS = phrases(
    r"""
absolutely; certainly; clearly; completely; definitely; entirely; fully; gladly; happily; obviously; really;
surely; totally; truly; wholeheartedly; finally; likewise; lovely; friendly; unconditionally; explicitly; formally; officially;
hereby; glücklicherweise; netterweise; absolument; totalement; complètement; pleinement; entièrement; parfaitement;
certainement; vraiment; finalmente; completamente; totalmente; certamente; naturalmente; plenamente;
absolutamente; pienamente; sicuramente; perfettamente; assolutamente; definitivamente; perfectamente; ciertamente
"""
)
ADVERB = r"[^\W\d_]{2,}(?:ly|weise|mente|ement)"

# Signs that may follow a decision. Any other picture or smiley in its sentence is a doubt.
FRIENDLY_SIGNS = frozenset("👍✅☑✔🎉🚀🙂😊😀😃😄👌🙏💯❤🥳👏🤝🙌")
UNFRIENDLY_SIGNS = frozenset("👎❌🚫⛔🛑✋😞😕🙁☹😟✖🙅")
JOKING = r"[;:]-?[pPD](?!\w)|;-?\)|(?<!\w)/s(?!\w)|(?<![\w:/])[:=]-?[/\\(|\[]|</?s(?:arcasm)?>"
