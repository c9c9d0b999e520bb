"""FusionNet+LSTM+GAN, the pixel method of Table 2."""
