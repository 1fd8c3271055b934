"""The HTTP server: OpenAI's and Gemini's protocols, the tasks, and the web page."""
