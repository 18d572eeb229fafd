"""TransformerLens 4: its native small model behind a TransformerBridge."""

from importlib.metadata import version

from peer_loop import serve
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import boot
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint


def load(state):
    config = TransformerBridgeConfig(
        n_layers=3, d_model=56, n_heads=2, d_head=28, d_mlp=56, act_fn="relu", n_ctx=42, d_vocab=5,
        d_vocab_out=2, attention_dir="bidirectional", normalization_type="LN", attn_only=False,
        positional_embedding_type="standard", architecture="TransformerLensNative", eps=1e-5,
    )  # fmt: skip
    bridge = boot(config, device="cpu")
    bridge.load_state_dict(convert_tl_checkpoint(state, config), strict=True)
    return bridge


serve(version("transformer-lens"), load)
