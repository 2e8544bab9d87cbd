import torch

from ltm3d.generator.masked_autoencoder import MaskedAutoencoder
from ltm3d.generator.masking import mask_last
from ltm3d.generator.prefix import Prefix


def build(num_prefix: int = 3) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(
        num_tokens=8, token_dim=4, num_prefix=num_prefix, width=32, encoder_depth=2, decoder_depth=2, num_heads=4
    ).eval()


def dense(model: MaskedAutoencoder, prefix: torch.Tensor, tokens: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """The same computation with the encoder on all positions, masked ones hidden as attention keys."""
    embedded = torch.cat([prefix, model.embed(tokens)], dim=1) + model.encoder_position
    x = model.embed_norm(embedded)
    visible = torch.cat([torch.ones(len(tokens), model.num_prefix, dtype=torch.bool), ~masked], dim=1)
    for block in model.encoder:
        x = x + block.attention(block.attention_norm(x), visible=visible)
        x = x + block.feed_forward(block.feed_forward_norm(x))
    x = model.to_decoder(model.encoder_norm(x))
    x = torch.where(visible[..., None], x, model.mask_token) + model.decoder_position
    for block in model.decoder:
        x = block(x)
    return model.decoder_norm(x)[:, model.num_prefix :] + model.output_position


def test_encoder_on_known_tokens_equals_the_dense_masked_computation() -> None:
    model = build()
    prefix, tokens = torch.randn(5, 3, 32), torch.randn(5, 8, 4)
    order = torch.stack([torch.randperm(8) for _ in range(5)])
    for num_masked in (1, 5, 8):
        masked = mask_last(order, num_masked)
        expected = dense(model, prefix, tokens, masked)
        all_masked = model(Prefix(prefix, None), tokens, masked)
        assert torch.allclose(all_masked.flatten(0, 1), expected[masked], atol=1e-5)
        wanted = mask_last(order, (num_masked + 1) // 2)  # some of the masked
        some = model(Prefix(prefix, None), tokens, masked, wanted)
        assert torch.allclose(some.flatten(0, 1), expected[wanted], atol=1e-5)


def test_masked_values_are_never_read() -> None:
    model = build()
    prefix, tokens = torch.randn(2, 3, 32), torch.randn(2, 8, 4)
    masked = mask_last(torch.arange(8).expand(2, -1), 3)
    poisoned = torch.where(masked[..., None], torch.nan, tokens)
    given = Prefix(prefix, None)
    assert torch.equal(model(given, tokens, masked), model(given, poisoned, masked))


def test_hidden_prefix_tokens_are_as_if_they_were_not_there() -> None:
    model = build(num_prefix=0)
    prefix, tokens = torch.randn(2, 5, 32), torch.randn(2, 8, 4)
    masked = mask_last(torch.arange(8).expand(2, -1), 3)
    visible = torch.tensor([[True, False, True, True, False]]).expand(2, -1)
    hidden = model(Prefix(prefix, visible), tokens, masked)
    assert torch.allclose(hidden, model(Prefix(prefix[:, [0, 2, 3]], None), tokens, masked), atol=1e-5)
