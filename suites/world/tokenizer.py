"""The tiny world's own tokenizer: byte-level BPE, digits one by one, so every string comes back as it went in."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PIECES = 1600
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
CHAT = (
    "{% for m in messages %}{{ ('Question: ' if m['role'] == 'user' else 'Answer: ') + m['content'] + "
    "('\\n' if m['role'] == 'user' else '</s>') }}{% endfor %}{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
)


def train(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A tokenizer of PIECES pieces fitted to the texts; saved, it loads with AutoTokenizer.from_pretrained."""
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=512,
        clean_up_tokenization_spaces=False, padding_side="right",
    )  # fmt: skip
    fast.chat_template = CHAT
    return fast
