"""The network that draws pictures from features: shapes, bytes by hand, and a file that gives it back."""

import numpy as np
import torch
from safetensors.torch import save_file

from hvqlib.course.feature_pictures import SIDE, PictureDecoder


def test_pictures_are_the_network_s_answer_in_bytes_and_load_again(tmp_path):
    torch.manual_seed(0)
    decoder, features = PictureDecoder(6).eval(), torch.randn(2, 6, 14, 14)
    drawn = decoder.draw(features)
    assert drawn.shape == (2, SIDE, SIDE, 3) and drawn.dtype == np.uint8
    shares = decoder(features).detach().numpy()  # (2, 3, SIDE, SIDE), in [0, 1]
    assert shares.min() >= 0 and shares.max() <= 1
    assert np.abs(drawn / 255 - shares.transpose(0, 2, 3, 1)).max() <= 0.5 / 255 + 1e-6
    save_file({name: value.half() for name, value in decoder.state_dict().items()}, tmp_path / "pictures.safetensors")
    again = PictureDecoder.load(tmp_path / "pictures.safetensors").draw(features)
    assert np.abs(again.astype(int) - drawn).max() <= 3  # float16 on disk
