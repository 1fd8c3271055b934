#!/bin/sh
# curl on `sibao serve`:  sh examples/server_curl.sh [ADDRESS]
set -eu
address=${1:-http://127.0.0.1:8000}

post() {
    curl --silent --show-error --fail-with-body --no-buffer "$address$1" \
        --header 'Content-Type: application/json' --data "$2"
    echo
}

echo '# a task'
post /v1/tasks/translate '{"text": "我喜欢读书。", "to": "en"}'

echo '# several texts at once'
post /v1/tasks/translate '{"inputs": ["我喜欢读书。", "I like tea."]}'

echo '# an answer from a passage, as events'
post /v1/tasks/answer '{"question": "谁改进了造纸术？", "context": "造纸术在汉代发明。蔡伦改进了它。", "stream": true}'

echo "# OpenAI's chat"
post /v1/chat/completions '{"messages": [{"role": "user", "content": "你好！"}], "max_tokens": 20}'

echo "# Gemini's"
post /v1beta/models/mini:generateContent \
    '{"contents": [{"parts": [{"text": "你好！"}]}], "generationConfig": {"maxOutputTokens": 20}}'
