"""Language codes: BCP 47 in its usual shape, over the ISO 639 codes that a district may hold.

The product's own list is not public (reference/csv-and-product.md, 1.7); ISO 639 is what its name "code" can mean.
Three-letter codes become the two-letter ones where those exist, as BCP 47 wants; English and a few native names of
the languages that schools meet most are understood too.
"""

import re
from functools import lru_cache

from connectors.normalize.values import words

#: ISO 639-1 with the ISO 639-2 code(s) of the same language (terminological, then bibliographic where it differs).
_TWO_LETTER = """
aa aar|ab abk|ae ave|af afr|ak aka|am amh|an arg|ar ara|as asm|av ava|ay aym|az aze|ba bak|be bel|bg bul|bi bis|bm bam
bn ben|bo bod tib|br bre|bs bos|ca cat|ce che|ch cha|co cos|cr cre|cs ces cze|cu chu|cv chv|cy cym wel|da dan
de deu ger|dv div|dz dzo|ee ewe|el ell gre|en eng|eo epo|es spa|et est|eu eus baq|fa fas per|ff ful|fi fin|fj fij
fo fao|fr fra fre|fy fry|ga gle|gd gla|gl glg|gn grn|gu guj|gv glv|ha hau|he heb|hi hin|ho hmo|hr hrv|ht hat|hu hun
hy hye arm|hz her|ia ina|id ind|ie ile|ig ibo|ii iii|ik ipk|io ido|is isl ice|it ita|iu iku|ja jpn|jv jav|ka kat geo
kg kon|ki kik|kj kua|kk kaz|kl kal|km khm|kn kan|ko kor|kr kau|ks kas|ku kur|kv kom|kw cor|ky kir|la lat|lb ltz|lg lug
li lim|ln lin|lo lao|lt lit|lu lub|lv lav|mg mlg|mh mah|mi mri mao|mk mkd mac|ml mal|mn mon|mr mar|ms msa may|mt mlt
my mya bur|na nau|nb nob|nd nde|ne nep|ng ndo|nl nld dut|nn nno|no nor|nr nbl|nv nav|ny nya|oc oci|oj oji|om orm|or ori
os oss|pa pan|pi pli|pl pol|ps pus|pt por|qu que|rm roh|rn run|ro ron rum|ru rus|rw kin|sa san|sc srd|sd snd|se sme
sg sag|si sin|sk slk slo|sl slv|sm smo|sn sna|so som|sq sqi alb|sr srp|ss ssw|st sot|su sun|sv swe|sw swa|ta tam|te tel
tg tgk|th tha|ti tir|tk tuk|tl tgl|tn tsn|to ton|tr tur|ts tso|tt tat|tw twi|ty tah|ug uig|uk ukr|ur urd|uz uzb|ve ven
vi vie|vo vol|wa wln|wo wol|xh xho|yi yid|yo yor|za zha|zh zho chi|zu zul
"""
#: ISO 639-2/-3 codes without a two-letter one, of languages spoken by families of school districts, and special codes.
_THREE_LETTER = frozenset(
    words("""
    ace ach acm acw aeb afb ain aii ajp akl aln amu apc ara arb arc arq ary arz ase ast awa bal ban bar bcl bem ber
    bgp bho bik bin brx bua bug bum byn cak ceb chj chk chm chn cho chp chr chy ckb cld cmn cnh cop crh crp csb ctd
    ctu czt dag dak din dje doi drs dsb dty dyu efi fan fat fil fon frr fur gaa gan gay gba gez gil gom gor gsw gwi
    hak haw haz hil hmn hmv hnj hne hsb hup iba ibb ilo inh ixl jam jra jrb kaa kab kac kam kar kbd kea kek kha khk
    kjb kmb kmr kok kos kpe kqn krc kri krl kru ksw kum kvb kxm lad lah lam lez lol loz lrc lua lun luo lus lut lzh
    mad mag mai mak mam man mas max mdf men mfe mga mgh mic miq mis mix mkw mnc mni mnw moh mos mul mus mvf mwl mww
    mxv myn myv nah nan nap nds new nia niu nog nqo nso nyi nyk nym nyn nyo osa pag pam pap pau pcm pdc phr plt pnb
    pon poh prs prk pus quc quz rap rar rhg rkt rom rop rup sad sah sam sat scn sco sdh sgn shi shn sid skr sma smj
    smn sms snk son srn srr suk sus swb swc syc syl syr tcf tcy tem tet tig tiv tkl tli tmh tog tpi tsi ttj tum tvl
    twi tyv tzh tzj tzm tzo udm umb und uum vai vep vot wal war was wuu xal xnr yao yap yua yue zap zen zgh zun zxx
    zza
    """)
)
_NAMES = """
English en|Spanish es|Español es|Espanol es|Castilian es|Chinese zh|Mandarin zh|Simplified Chinese zh-Hans
Chinese Simplified zh-Hans|Traditional Chinese zh-Hant|Chinese Traditional zh-Hant|Cantonese yue|Vietnamese vi|Arabic ar
French fr|Français fr|German de|Deutsch de|Russian ru|Portuguese pt|Português pt|Brazilian Portuguese pt-BR|Korean ko
Japanese ja|Haitian ht|Haitian Creole ht|Creole ht|Tagalog tl|Filipino fil|Pilipino fil|Hmong hmn|Somali so|Polish pl
Italian it|Hindi hi|Urdu ur|Punjabi pa|Panjabi pa|Gujarati gu|Bengali bn|Bangla bn|Tamil ta|Telugu te|Marathi mr
Malayalam ml|Kannada kn|Nepali ne|Burmese my|Karen kar|Khmer km|Cambodian km|Lao lo|Laotian lo|Thai th|Ukrainian uk
Romanian ro|Greek el|Turkish tr|Persian fa|Farsi fa|Dari prs|Pashto ps|Kurdish ku|Hebrew he|Amharic am|Tigrinya ti
Oromo om|Swahili sw|Kinyarwanda rw|Yoruba yo|Igbo ig|Hausa ha|Albanian sq|Armenian hy|Bosnian bs|Serbian sr|Croatian hr
Bulgarian bg|Czech cs|Slovak sk|Hungarian hu|Dutch nl|Swedish sv|Norwegian no|Danish da|Finnish fi|Indonesian id
Malay ms|Samoan sm|Tongan to|Hawaiian haw|Ilocano ilo|Cebuano ceb|Marshallese mh|Chuukese chk|Navajo nv|Uzbek uz
Mongolian mn|Georgian ka|Lithuanian lt|Latvian lv|Estonian et|Rohingya rhg|Cape Verdean Creole kea|Wolof wo
American Sign Language ase|Sign Language sgn|Yiddish yi|Twi tw|Lingala ln|Fulani ff|Mam mam|Quiche quc|Sinhala si
"""


def _codes() -> dict[str, str]:
    codes = {code: code for code in _THREE_LETTER}
    for entry in _TWO_LETTER.replace("\n", "|").split("|"):
        if entry:
            short, *others = entry.split()
            codes |= dict.fromkeys((short, *others), short)
    return codes


def _names() -> dict[str, str]:
    entries = (entry.rsplit(" ", 1) for entry in _NAMES.replace("\n", "|").split("|") if entry)
    return {name.casefold(): code for name, code in entries}


_CODE_OF = _codes()
_CODE_OF_NAME = _names()
_TAG = re.compile(
    r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?((?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)(-x(?:-[a-z0-9]{1,8})+)?"
)


@lru_cache(maxsize=2048)
def language_code(text: str) -> str | None:
    """The BCP 47 tag in its usual case (``es``, ``zh-Hans``, ``pt-BR``), or None for an unknown language."""
    if named := _CODE_OF_NAME.get(text.casefold()):
        return named
    match = _TAG.fullmatch(text.lower().replace("_", "-"))
    if match is None or match[1] not in _CODE_OF:
        return None
    language, script, region, variants, private = match.groups()
    tag = _CODE_OF[language]
    if script:
        tag += "-" + script.title()
    if region:
        tag += "-" + region.upper()
    return tag + (variants or "") + (private or "")
