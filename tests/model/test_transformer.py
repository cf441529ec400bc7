"""Against torch's own attention and layers, which were written by somebody else."""

import torch
from torch import nn

from hvqlib.model.transformer import (
    Attention,
    Decoder,
    DecoderLayer,
    Dropout,
    Encoder,
    EncoderLayer,
    PositionEmbedding,
    attend,
)


def copy_attention(ours: Attention, width: int, heads: int) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(width, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    return theirs


def test_attention_and_its_map_equal_torchs():
    torch.manual_seed(0)
    ours, x, memory, position = Attention(16, 4), torch.randn(3, 9, 16), torch.randn(3, 9, 16), torch.randn(9, 16)
    expected, weights = copy_attention(ours, 16, 4)(x + position, memory + position, memory, average_attn_weights=False)
    torch.testing.assert_close(ours(x, memory, position), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours.weights(x, memory, position), weights, atol=1e-6, rtol=1e-5)


def test_encoder_layer_equals_torchs_without_positions():
    torch.manual_seed(0)
    ours = EncoderLayer(16, 4, 32, 0.0).eval()
    theirs = nn.TransformerEncoderLayer(16, 4, 32, 0.0, batch_first=True)
    theirs.self_attn = copy_attention(ours.attention, 16, 4)
    theirs.linear1, theirs.linear2 = ours.feedforward[0], ours.feedforward[3]
    theirs.norm1, theirs.norm2 = ours.norm1, ours.norm2
    x = torch.randn(2, 9, 16)
    torch.testing.assert_close(ours(x, torch.zeros(9, 16)), theirs.train()(x), atol=1e-5, rtol=1e-5)


def test_decoder_layer_equals_torchs_without_positions():
    torch.manual_seed(0)
    ours = DecoderLayer(16, 4, 32, 0.0).eval()
    theirs = nn.TransformerDecoderLayer(16, 4, 32, 0.0, batch_first=True)
    theirs.self_attn, theirs.multihead_attn = (copy_attention(a, 16, 4) for a in (ours.attention, ours.cross))
    theirs.linear1, theirs.linear2 = ours.feedforward[0], ours.feedforward[3]
    theirs.norm1, theirs.norm2, theirs.norm3 = ours.norm1, ours.norm2, ours.norm3
    x, codes = torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    torch.testing.assert_close(ours(x, codes, torch.zeros(9, 16)), theirs(x, codes), atol=1e-5, rtol=1e-5)


def test_encoder_returns_its_input_and_every_layer():
    tokens, position = torch.randn(2, 6, 8), torch.randn(6, 8)
    encoder = Encoder(3, 8, 2, 16, 0.0).eval()
    states = encoder(tokens, position)
    assert len(states) == 4 and states[0] is tokens
    torch.testing.assert_close(states[2], encoder.layers[1](states[1], position))


def test_decoder_hears_every_level():
    decoder = Decoder(3, 8, 2, 16, 0.0).eval()
    codes = tuple(torch.randn(1, 6, 8, requires_grad=True) for _ in range(3))
    decoder(codes, torch.randn(6, 8)).square().sum().backward()
    assert all(level.grad.abs().sum() > 0 for level in codes)


def test_position_is_column_then_row_in_reading_order():
    embedding = PositionEmbedding((2, 3), 4)
    places = embedding()
    assert places.shape == (6, 4)
    for row in range(2):
        for column in range(3):
            expected = torch.cat([embedding.columns[column], embedding.rows[row]])
            assert torch.equal(places[row * 3 + column], expected)


def test_bfloat16_attention_is_the_float32_one_rounded():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 9, 8) for _ in range(3))
    exact = nn.functional.scaled_dot_product_attention(q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.03, rtol=0.03)


def test_dropout_drops_its_share_keeps_the_mean_and_rests_in_evaluation():
    torch.manual_seed(0)
    dropout, x = Dropout(0.1), torch.ones(400, 1003)
    y = dropout.train()(x)
    dropped = (y == 0).double()
    assert abs(dropped.mean() - 26 / 256) < 0.002
    assert abs(y.mean() - 1) < 0.002
    # Independent along both directions: neighbours are dropped together as often as chance has it.
    for a, b in ((dropped[1:], dropped[:-1]), (dropped[:, 1:], dropped[:, :-1]), (dropped[:, 8:], dropped[:, :-8])):
        assert abs((a * b).mean() - (26 / 256) ** 2) < 0.001
    assert dropout.eval()(x) is x and Dropout(0.0).train()(x) is x
