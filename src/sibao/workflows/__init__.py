"""Floor 7: one file per verb that joins the floors below; called by the command line, the server and ``import sibao``."""
