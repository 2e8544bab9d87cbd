"""Multi-head attention with normalised queries and keys, and attention that prefers what is near in space."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

# B batch, N queries, M keys, H hidden width, C width of the keys' source


class Attention(nn.Module):
    """Attend from x to a context (to x itself where none is given).

    softmax(RMS(Wq x) RMS(Wk y)ᵀ / √d) Wv y, per head, then Wo. Normalising queries and keys
    keeps the logits bounded (Dehghani et al. 2023, "QK-norm").
    """

    def __init__(self, width: int, *, num_heads: int, context_width: int | None = None) -> None:
        super().__init__()
        assert width % num_heads == 0, f"width {width} is not a multiple of num_heads {num_heads}"
        self.num_heads = num_heads
        context_width = width if context_width is None else context_width
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key = nn.Linear(context_width, width, bias=False)
        self.to_value = nn.Linear(context_width, width, bias=False)
        self.query_norm = HeadNorm(width // num_heads)
        self.key_norm = HeadNorm(width // num_heads)
        self.to_out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "B N H"],
        context: Float[Tensor, "B M C"] | None = None,
        *,
        visible: Bool[Tensor, "B M"] | None = None,
        bias: Float[Tensor, "B heads N M"] | None = None,
    ) -> Float[Tensor, "B N H"]:
        """Attend; keys where `visible` is False are left out, `bias` is added to the logits. Give one of the two."""
        assert visible is None or bias is None, "visible and bias are not combined"
        context = x if context is None else context
        query = self.query_norm(self._heads(self.to_query(x)))
        key = self.key_norm(self._heads(self.to_key(context)))
        value = self._heads(self.to_value(context))
        attention_mask = bias if visible is None else visible[:, None, None, :]
        out = attend(query, key, value, attention_mask)
        return self.to_out(out.transpose(1, 2).flatten(2))  # [B heads N d] -> [B N H]

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # [B N H] -> [B heads N d]


class HeadNorm(nn.RMSNorm):
    """RMS norm of each head; its weight takes the input's type, without which torch has no fused kernel."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)  # by default it is the type's own, 8e-3 in bf16

    def forward(self, x: Float[Tensor, "*B d"]) -> Float[Tensor, "*B d"]:
        return F.rms_norm(x, list(self.normalized_shape), self.weight.to(x.dtype), self.eps)


def attend(
    query: Float[Tensor, "B heads N d"],
    key: Float[Tensor, "B heads M d"],
    value: Float[Tensor, "B heads M d"],
    mask: Tensor | None = None,
) -> Float[Tensor, "B heads N d"]:
    """Return softmax(query keyᵀ / √d) value.

    In bf16 on a CPU the gradient of torch's flash kernel takes two to five times as long as that of the products
    written out (benchmarks/generator/attention.py); they are taken where a gradient is needed.

    Args:
        mask: as in `scaled_dot_product_attention`: False leaves a key out, a float is added to the logits.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or not query.requires_grad:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    return torch.softmax(logits, dim=-1).to(value.dtype) @ value


def distance_bias(
    anchors: Float[Tensor, "*own N 3"], points: Float[Tensor, "B M 3"], sharpness: Float[Tensor, " heads"]
) -> Float[Tensor, "B heads N M"]:
    """Return −sharpness · |anchor − point|², a logit that prefers points near an anchor.

    Args:
        anchors: the same for all shapes, or each shape's own.
    """
    squared = torch.cdist(anchors.expand(len(points), -1, -1), points).square()
    return -sharpness[:, None, None] * squared[:, None]
