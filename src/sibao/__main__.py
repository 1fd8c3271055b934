"""``python -m sibao``: the same as the command ``sibao``."""

from sibao.cli.main import main

if __name__ == "__main__":
    main()
