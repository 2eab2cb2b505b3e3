# What passing a request through a queue costs beside ProxyPass to the same application; part of
# tools/bench, whose functions and variables it uses.

# start_queues DIRECTORY PORT PREFIX…: Ring3 (with PREFIX… in front) and the floor as its
# applications: /once and /pooled by ProxyPass, /queue and /kept by queues of 64 requests at a time.
start_queues() {
  local directory=$1 port=$2 name options
  shift 2
  write_ring3 "$directory" "$port" 1
  chmod 777 "$directory"
  cat >> "$directory/ring3.conf" << END
QueueDirectory $directory/queues
ProxyPass /once unix:$directory/origin|http://localhost disablereuse=on retry=0
ProxyPass /pooled unix:$directory/origin|http://localhost retry=0
END
  ((${#queue_lines[@]} == 0)) || printf '%s\n' "${queue_lines[@]}" >> "$directory/ring3.conf"
  # In a session of its own, like programs that are run for queues: the kernel's scheduler tells
  # sessions apart.
  (umask 0 && exec setsid taskset -c "$load_core" "$work/floor" "$directory/origin" 1024) \
    > /dev/null 2>&1 < /dev/null &
  started+=($!)
  "$@" --foreground -c "$directory/ring3.conf" > "$directory/output" 2>&1 < /dev/null &
  queues_pid=$!
  started+=("$queues_pid")
  for _ in {1..200}; do
    [[ -S $directory/ring3d.sock ]] && break
    kill -0 "$queues_pid" 2> /dev/null || fail "$(tail -n 5 "$directory/output")"
    sleep 0.1
  done
  for name in queue kept; do
    options=()
    [[ $name == kept ]] && options=(--keepalive)
    taskset -c "$load_core" "$top/.build/release/ring3ctl" --socket "$directory/ring3d.sock" \
      run --url "http://+:$port/$name/" --queue "$name" --concurrency 64 "${options[@]}" \
      -- "$work/floor" fd 1024 > "$directory/$name.output" 2>&1 < /dev/null &
    started+=($!)
  done
  for name in once pooled queue kept; do
    for _ in {1..200}; do
      curl -s -f -o /dev/null "http://127.0.0.1:$port/$name/1" && continue 2
      sleep 0.1
    done
    fail "/$name is not answered: $(tail -n 3 "$directory"/*.output "$directory/error.log")"
  done
}

# register_prefixes DIRECTORY PORT COUNT: as long as the process lives.
register_prefixes() {
  python3 - "$1/ring3d.sock" "$2" "$3" > "$1/registered" 2>&1 << 'END' &
import socket, sys, time

control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])


def ask(*words):
    control.sendall(("\t".join(words) + "\n").encode())
    answer = b""
    while b"x " not in answer or not answer.endswith(b"\n"):
        answer += control.recv(65536)
    assert answer.endswith(b"x 0\n"), answer


ask("session", "1")
for start in range(0, int(sys.argv[3]), 50):
    prefixes = [f"http://+:{sys.argv[2]}/many/{n}/" for n in range(start, start + 50)]
    ask("register", *prefixes[: int(sys.argv[3]) - start], "--queue=queue")
print("ready", flush=True)
time.sleep(3600)
END
  started+=($!)
  for _ in {1..300}; do
    grep -qs ready "$1/registered" && break
    sleep 0.1
  done
  grep -q ready "$1/registered" || fail "the prefixes were not registered: $(cat "$1/registered")"
  sleep 1
}

# queue_instructions COUNT NAME: in a shell of its own, so it ends what it has started.
queue_instructions() {
  local directory port queues_pid before=${#started[@]}
  directory=$(mktemp -d "$work/queues.XXXXXX")
  port=$(free_port)
  queue_lines=("Sandbox off")
  start_queues "$directory" "$port" valgrind --tool=callgrind \
    --callgrind-out-file="$directory/callgrind.%p" "$work/ring3d.counted"
  h2load --h1 -n "$1" -c 1 "http://127.0.0.1:$port/$2/1" > "$directory/h2load" 2>&1 < /dev/null
  grep -q " $1 succeeded" "$directory/h2load" || fail "/$2 was not answered right"
  kill -QUIT "$queues_pid"
  wait "$queues_pid" 2> /dev/null || true
  kill "${started[@]:before}" 2> /dev/null || true
  sleep 1
  grep -h '^totals:' "$directory"/callgrind.* | awk '$2 > most { most = $2 } END { print most }'
}

bench_queues() {
  require_packages "instructions are counted by valgrind" valgrind curl python3
  local queues_pid port name round pids few many queue_lines=()
  gcc -O2 -o "$work/floor" "$top/tools/bench.d/floor.c"
  strip --strip-debug -o "$work/ring3d.counted" "$top/.build/release/ring3d"
  port=$(free_port)
  start_queues "$work/queues" "$port" taskset -c "$server_core" "$top/.build/release/ring3d"
  ring3_pid=$queues_pid
  mapfile -t pids < <(ring3_workers "$work/queues")
  say "Through a queue, 1 KiB, $rounds rounds of $seconds s"
  for ((round = 1; round <= rounds; round++)); do
    for name in once queue pooled kept; do
      measure "$work/queues.$name" "http://127.0.0.1:$port/$name/1" "${pids[@]}"
    done
  done
  register_prefixes "$work/queues" "$port" 10
  for ((round = 1; round <= rounds; round++)); do
    measure "$work/queues.10" "http://127.0.0.1:$port/queue/1" "${pids[@]}"
  done
  kill "${started[-1]}"
  register_prefixes "$work/queues" "$port" 10000
  for ((round = 1; round <= rounds; round++)); do
    measure "$work/queues.10000" "http://127.0.0.1:$port/queue/1" "${pids[@]}"
  done
  printf '\n%-34s %12s %16s\n' 'Passed to one application' 'CPU µs' 'instructions'
  for name in once queue pooled kept; do
    few=$(queue_instructions 500 "$name")
    many=$(queue_instructions 3500 "$name")
    printf '%-34s %12s %16d\n' "$(queue_title "$name")" "$(median < "$work/queues.$name")" \
      $(((many - few) / 3000))
  done
  printf 'through a queue × ProxyPass: %s; kept connections: %s (wanted: at most 1, round by round)\n' \
    "$(median_ratio "$work/queues.queue" "$work/queues.once")" \
    "$(median_ratio "$work/queues.kept" "$work/queues.pooled")"
  printf '%-34s %12s\n' 'through a queue, 10 prefixes' "$(median < "$work/queues.10")"
  printf '%-34s %12s\n' 'through a queue, 10,000 prefixes' "$(median < "$work/queues.10000")"
}

queue_title() {
  case $1 in
    once) echo 'ProxyPass disablereuse=on' ;;
    queue) echo 'through a queue' ;;
    pooled) echo 'ProxyPass' ;;
    kept) echo 'through a queue, --keepalive' ;;
  esac
}
