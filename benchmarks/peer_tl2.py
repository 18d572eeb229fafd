"""TransformerLens 2: a HookedTransformer."""

from importlib.metadata import version

from peer_loop import serve
from transformer_lens import HookedTransformer, HookedTransformerConfig


def load(state):
    config = HookedTransformerConfig(
        n_layers=3, d_model=56, n_heads=2, d_head=28, d_mlp=56, act_fn="relu", n_ctx=42, d_vocab=5,
        d_vocab_out=2, attention_dir="bidirectional", normalization_type="LN", device="cpu",
    )  # fmt: skip
    model = HookedTransformer(config)
    model.load_state_dict(state, strict=False)
    return model


serve(version("transformer-lens"), load)
