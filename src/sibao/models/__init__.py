"""Floor 2: families of models. One file per family maps a Hugging Face ``config.json`` and tensor names onto ``nn.Decoder``."""
