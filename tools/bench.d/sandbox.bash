# What the sandbox costs; part of tools/bench, whose functions and variables it uses.

# Two servers that differ in one directive, in turns; the first of each round alternates.
bench_sandbox() {
  local mode kib round order
  declare -A sandbox_port sandbox_pids
  for mode in on off; do
    sandbox_port[$mode]=$(free_port)
    write_ring3 "$work/sandbox.$mode" "${sandbox_port[$mode]}" 1
    printf 'Sandbox %s\n' "$mode" >> "$work/sandbox.$mode/ring3.conf"
    start_ring3 "$work/sandbox.$mode" taskset -c "$server_core"
    started+=("$ring3_pid")
    sandbox_pids[$mode]=$(ring3_workers "$work/sandbox.$mode" | tr '\n' ' ')
  done
  say
  say "Sandbox on and off, $rounds rounds of $seconds s"
  for ((round = 1; round <= rounds; round++)); do
    order=(on off)
    ((round % 2)) || order=(off on)
    for kib in 1 100; do
      for mode in "${order[@]}"; do
        # Several words: one process each.
        # shellcheck disable=SC2086
        measure "$work/sandbox.$mode.$kib" "http://127.0.0.1:${sandbox_port[$mode]}/$kib" \
          ${sandbox_pids[$mode]}
      done
    done
  done
  printf '\nCPU µs per request, sandbox on and off\n'
  for kib in 1 100; do
    awk -v kib="$kib" -v on="$(median < "$work/sandbox.on.$kib")" \
      -v off="$(median < "$work/sandbox.off.$kib")" 'BEGIN {
        printf "  %3d KiB: on %.3f, off %.3f, ratio %.3f (wanted: at most 1.02)\n", kib, on, off, on / off
      }'
  done
}
