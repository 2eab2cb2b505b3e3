# TLS and HTTP/2 beside nginx and h2o; part of tools/bench, whose functions and variables it uses.
# Every server has one thread on one core, the same certificates, and no access log; clients offer
# TLS 1.3 with TLS_AES_128_GCM_SHA256 alone, so all speak the same.

# What OpenSSL's clients offer by default.
write_client_policy() {
  cat > "$work/openssl.cnf" << END
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
END
}

# encrypted_client COMMAND…: runs a client with that policy.
encrypted_client() { OPENSSL_CONF=$work/openssl.cnf "$@"; }

make_certificates() {
  mkdir -p "$work/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj /CN=localhost -keyout "$work/tls/ecdsa.key" -out "$work/tls/ecdsa.pem" 2> /dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 \
    -subj /CN=localhost -keyout "$work/tls/rsa.key" -out "$work/tls/rsa.pem" 2> /dev/null
}

# secure_port SERVER KIND is in secure_port[SERVER.KIND]; KIND is ecdsa, rsa or plain (h2c).
# The processes (or threads: PID/task/TID) to be measured are in secure_pids[SERVER].
declare -A secure_port=() secure_pids=()

start_secure_ring3() {
  local kind directory=$work/secure.ring3
  write_ring3 "$directory" "${secure_port[ring3.plain]}" 1
  {
    printf 'Protocols h2 h2c http/1.1\nSSLProtocol TLSv1.3\n'
    for kind in ecdsa rsa; do
      cat << END
Listen 127.0.0.1:${secure_port[ring3.$kind]} https
<VirtualHost *:${secure_port[ring3.$kind]}>
  ServerName localhost
  DocumentRoot "$work/files"
  SSLCertificateFile $work/tls/$kind.pem
  SSLCertificateKeyFile $work/tls/$kind.key
</VirtualHost>
END
    done
  } >> "$directory/ring3.conf"
  start_ring3 "$directory" taskset -c "$server_core"
  started+=("$ring3_pid")
  secure_pids[ring3]=$(ring3_workers "$directory" | tr '\n' ' ')
}

start_secure_nginx() {
  local kind pid directory=$work/secure.nginx
  mkdir "$directory"
  cat > "$directory/nginx.conf" << END
$( ((EUID)) || echo "user root;")
daemon off;
worker_processes 1;
pid $directory/pid;
error_log $directory/error.log;
events { worker_connections 20000; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 600;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 128;
  open_file_cache max=1000 inactive=600s;
  open_file_cache_valid 60s;
  client_body_temp_path $directory/body;
  proxy_temp_path $directory/proxy;
  fastcgi_temp_path $directory/fastcgi;
  uwsgi_temp_path $directory/uwsgi;
  scgi_temp_path $directory/scgi;
  ssl_protocols TLSv1.3;
  ssl_session_tickets on;
  server { listen 127.0.0.1:${secure_port[nginx.plain]} http2; root $work/files; }
$(for kind in ecdsa rsa; do
    echo "  server { listen 127.0.0.1:${secure_port[nginx.$kind]} ssl http2; root $work/files;"
    echo "    ssl_certificate $work/tls/$kind.pem; ssl_certificate_key $work/tls/$kind.key; }"
  done)
}
END
  taskset -c "$server_core" nginx -c "$directory/nginx.conf" < /dev/null &
  pid=$!
  started+=("$pid")
  await_port "${secure_port[nginx.ecdsa]}"
  secure_pids[nginx]=$(children "$pid" | tr '\n' ' ')
}

start_secure_h2o() {
  local kind pid directory=$work/secure.h2o
  mkdir "$directory"
  cat > "$directory/h2o.conf" << END
$( ((EUID)) || echo "user: root")
num-threads: 1
http2-max-concurrent-requests-per-connection: 100
http1-request-timeout: 600
http2-idle-timeout: 600
error-log: $directory/error.log
ssl-session-resumption:
  mode: ticket
listen:
  host: 127.0.0.1
  port: ${secure_port[h2o.plain]}
$(for kind in ecdsa rsa; do
    printf 'listen:\n  host: 127.0.0.1\n  port: %s\n' "${secure_port[h2o.$kind]}"
    printf '  ssl:\n    certificate-file: %s\n' "$work/tls/$kind.pem"
    # Without neverbleed: its process makes the signatures, and would not be counted.
    printf '    key-file: %s\n    ocsp-update-interval: 0\n    neverbleed: OFF\n' "$work/tls/$kind.key"
  done)
hosts:
  default:
    paths:
      /:
        file.dir: $work/files
END
  taskset -c "$server_core" h2o -c "$directory/h2o.conf" > "$directory/output" 2>&1 < /dev/null &
  pid=$!
  started+=("$pid")
  await_port "${secure_port[h2o.ecdsa]}"
  secure_pids[h2o]=$(for task in "/proc/$pid/task"/*; do printf '%s ' "${task#/proc/}"; done)
}

# await_port PORT: until it is listened on.
await_port() {
  for _ in {1..100}; do
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return
    sleep 0.1
  done
  cat "$work"/secure.*/output "$work"/secure.*/error.log >&2 2> /dev/null || true
  fail "nobody listens on port $1"
}

# Starts all three, once.
start_secure_servers() {
  local server kind
  ((${#secure_pids[@]})) && return
  ulimit -n "$(ulimit -Hn)"
  write_client_policy
  make_certificates
  for server in ring3 nginx h2o; do
    for kind in ecdsa rsa plain; do secure_port[$server.$kind]=$(free_port); done
    "start_secure_$server"
  done
  sleep 0.5
}

# secure_measure FILE SERVER COMMAND…: COMMAND prints how often; appends the server's CPU
# microseconds for each to FILE.
secure_measure() {
  local file=$1 server=$2 count before after pids
  shift 2
  read -ra pids <<< "${secure_pids[$server]}"
  before=$(cpu_microseconds "${pids[@]}")
  count=$(encrypted_client taskset -c "$load_core" "$@") || fail "$server: $* failed"
  after=$(cpu_microseconds "${pids[@]}")
  ((count > 0)) || fail "$server: nothing was answered by $*"
  awk -v used=$((after - before)) -v count="$count" 'BEGIN { printf "%.3f\n", used / count }' \
    >> "$file"
}

# Clients that print a count alone; each a command, so that taskset can run it.
write_secure_clients() {
  cat > "$work/count-wrk" << 'END'
#!/usr/bin/env bash
set -euo pipefail
out=$(wrk -t1 -c64 -d"$1s" "$2")
if grep -qE 'Socket errors|Non-2xx' <<< "$out"; then printf '%s\n' "$out" >&2; exit 1; fi
sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' <<< "$out"
END
  cat > "$work/count-h2load" << 'END'
#!/usr/bin/env bash
set -euo pipefail
out=$(h2load -t1 -c1 -m100 -D"$1" "$2")
grep -q 'Application protocol: h2' <<< "$out" || { printf '%s\n' "$out" >&2; exit 1; }
grep -q ' 0 failed, 0 errored, 0 timeout' <<< "$out" || { printf '%s\n' "$out" >&2; exit 1; }
grep -q ' 0 3xx, 0 4xx, 0 5xx' <<< "$out" || { printf '%s\n' "$out" >&2; exit 1; }
sed -n 's/^requests: .* \([0-9]*\) done,.*/\1/p' <<< "$out"
END
  chmod +x "$work/count-wrk" "$work/count-h2load"
}

# secure_table TITLE WANTED NAME…: medians of the files $work/secure.SERVER.NAME, and ratios.
secure_table() {
  local title=$1 wanted=$2 server name
  shift 2
  printf '\n%-34s' "$title"
  printf ' %16s' "$@"
  printf '\n'
  for server in nginx h2o ring3; do
    printf '%-34s' "  $server"
    for name in "$@"; do
      if [[ -s $work/secure.$server.$name ]]; then
        awk -v own="$(median < "$work/secure.$server.$name")" \
          -v least="$(median < "$work/secure.nginx.$name")" \
          'BEGIN { printf " %9.2f (%4.2f)", own, own / least }'
      else
        printf ' %16s' '-'
      fi
    done
    printf '\n'
  done
  printf '  (in parentheses: × nginx; wanted of ring3: %s)\n' "$wanted"
}

# The order alternates, so that no server is always behind the same one.
secure_order() {
  if (($1 % 2)); then echo nginx h2o ring3; else echo ring3 h2o nginx; fi
}

bench_tls() {
  local round server kib kind client=$top/.build/release/loadclient
  start_secure_servers
  write_secure_clients
  say
  say "TLS 1.3, TLS_AES_128_GCM_SHA256, one core for the server, $rounds rounds of $seconds s"
  for ((round = 1; round <= rounds; round++)); do
    say "  round $round of $rounds …"
    for server in $(secure_order "$round"); do
      for kib in 1 100; do
        secure_measure "$work/secure.$server.${kib}KiB" "$server" "$work/count-wrk" "$seconds" \
          "https://127.0.0.1:${secure_port[$server.ecdsa]}/$kib"
      done
      for kind in ecdsa rsa; do
        secure_measure "$work/secure.$server.$kind" "$server" "$client" handshakes \
          --port "${secure_port[$server.$kind]}" --seconds "$seconds"
      done
      secure_measure "$work/secure.$server.resumed" "$server" "$client" handshakes \
        --port "${secure_port[$server.ecdsa]}" --seconds "$seconds" --target /1 --resume
    done
  done
  secure_table 'CPU µs per request, keep-alive' '0.85 and 1.0' 1KiB 100KiB
  secure_table 'CPU µs per handshake' 'at most 1.0' ecdsa rsa resumed
  printf '  (resumed: with one request of 1 KiB each, as tickets come behind the handshake)\n'
  printf '\nHandshakes per core-second\n'
  for server in nginx h2o ring3; do
    for kind in ecdsa rsa; do
      awk -v server="$server" -v kind="$kind" -v each="$(median < "$work/secure.$server.$kind")" \
        'BEGIN { printf "  %-6s %-6s %8.0f\n", server, kind, 1e6 / each }'
    done
  done
}

bench_h2() {
  local round server
  start_secure_servers
  write_secure_clients
  say
  say "HTTP/2, one connection, 100 streams, 1 KiB, $rounds rounds of $seconds s"
  for ((round = 1; round <= rounds; round++)); do
    say "  round $round of $rounds …"
    for server in $(secure_order "$round"); do
      secure_measure "$work/secure.$server.h2" "$server" "$work/count-h2load" "$seconds" \
        "https://127.0.0.1:${secure_port[$server.ecdsa]}/1"
      sed 's/Application protocol: h2/Application protocol: h2c/' "$work/count-h2load" \
        > "$work/count-h2c"
      chmod +x "$work/count-h2c"
      secure_measure "$work/secure.$server.h2c" "$server" "$work/count-h2c" "$seconds" \
        "http://127.0.0.1:${secure_port[$server.plain]}/1"
    done
  done
  secure_table 'CPU µs per request, 100 streams' '0.7' h2 h2c
  awk -v own="$(median < "$work/secure.ring3.h2")" -v other="$(median < "$work/secure.h2o.h2")" \
    'BEGIN { printf "  ring3 is %.2f × h2o over TLS (wanted: at most 1.0)\n", own / other }'
}

# pss_kib PID…: together. The status of Ring3 names helpers beside the worker.
pss_kib() {
  local pid total=0
  for pid in "$@"; do total=$((total + $(memory_kib "$pid" Pss))); done
  printf '%s' "$total"
}

bench_idle-tls() {
  local server count=10000 pids before after
  start_secure_servers
  printf '\nMemory of %d idle TLS connections, after one request of 1 KiB each\n' "$count"
  for server in nginx ring3; do
    read -ra pids <<< "${secure_pids[$server]}"
    encrypted_client "$top/.build/release/loadclient" hold --tls \
      --port "${secure_port[$server.ecdsa]}" --connections 100 --seconds 0 --target /1 > /dev/null
    sleep 0.5
    before=$(pss_kib "${pids[@]}")
    encrypted_client "$top/.build/release/loadclient" hold --tls \
      --port "${secure_port[$server.ecdsa]}" --connections "$count" --seconds 6 --target /1 \
      > "$work/hold" 2>&1 < /dev/null &
    started+=($!)
    for _ in {1..1200}; do grep -q holding "$work/hold" && break; sleep 0.1; done
    grep -q holding "$work/hold" || { cat "$work/hold" >&2; fail "the connections were not opened"; }
    sleep 1
    after=$(pss_kib "${pids[@]}")
    awk -v server="$server" -v grown=$((after - before)) -v count="$count" \
      'BEGIN { printf "  %-6s %8d KiB more (Pss), %6.0f bytes a connection\n", server, grown, grown * 1024 / count }'
    wait "$!" || fail "connections were ended"
  done
}
