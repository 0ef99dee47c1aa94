#!/bin/sh
# The same job without a program: jq makes the events, gzip and curl send 500 at a time.
#
#     pipeline.sh LOG URL KEY
set -eu
jq -c '{
  event: "$ai_generation", uuid: .litellm_call_id, distinct_id: (.end_user // .trace_id), timestamp: (.endTime | todate),
  properties: {
    "$ai_trace_id": .trace_id, "$ai_span_id": .id, "$ai_model": .model, "$ai_provider": .custom_llm_provider,
    "$ai_input": .messages, "$ai_output_choices": [.response.choices[].message],
    "$ai_input_tokens": .prompt_tokens, "$ai_output_tokens": .completion_tokens, "$ai_total_cost_usd": .response_cost,
    "$ai_latency": .response_time, "$ai_base_url": .api_base
  }
}' "$1" | URL="$2" KEY="$3" split -l 500 --filter='
  { printf "{\"api_key\":\"%s\",\"historical_migration\":true,\"batch\":[" "$KEY"; paste -sd, -; printf "]}"; } | gzip -c |
  curl -sf -o /dev/null -X POST -H "Content-Type: application/json" -H "Content-Encoding: gzip" --data-binary @- "$URL/batch/"'
