# User instructions per request; part of tools/bench, whose functions and variables it uses. They do
# not depend on what else the machine does, so one run tells what took medians of many.

# instructions START COUNT URL: of the busiest process that START (a function that sets server_pid)
# starts under callgrind, with COUNT requests to URL one after another.
instructions() {
  local start=$1 count=$2 url=$3 directory
  directory=$(mktemp -d "$work/callgrind.XXXXXX")
  # Workers write here too, with the rights they have left.
  chmod 777 "$directory"
  "$start" "$directory"
  for _ in {1..200}; do
    curl -s -f -o /dev/null "$url" && break
    kill -0 "$server_pid" 2> /dev/null || fail "$start: $(tail -n 5 "$directory/output")"
    sleep 0.2
  done
  h2load --h1 -n "$count" -c 1 "$url" > "$directory/h2load" 2>&1 < /dev/null
  grep -q " $count succeeded" "$directory/h2load" || fail "$url was not answered right"
  kill -QUIT "$server_pid"
  wait "$server_pid" 2> /dev/null || true
  # The workers of nginx end after it.
  sleep 1
  grep -h '^totals:' "$directory"/callgrind.* | awk '$2 > most { most = $2 } END { print most }'
}

# under_callgrind DIRECTORY COMMAND…: starts it and sets server_pid.
under_callgrind() {
  local directory=$1
  shift
  valgrind --tool=callgrind --callgrind-out-file="$directory/callgrind.%p" "$@" \
    > "$directory/output" 2>&1 < /dev/null &
  server_pid=$!
  started+=("$server_pid")
}

counted_ring3() {
  write_ring3 "$1" "$counted_port" 1
  chmod 777 "$1"
  # The sandbox would stop what valgrind does beside the program.
  cat >> "$1/ring3.conf" << END
Sandbox off
ProxyPass /passed http://127.0.0.1:$counted_origin
END
  under_callgrind "$1" "$work/ring3d.counted" --foreground -c "$1/ring3.conf"
}

counted_nginx() {
  cat > "$1/nginx.conf" << END
$( ((EUID)) || echo "user root;")
daemon off;
worker_processes 1;
pid $1/pid;
error_log $1/error.log;
events { worker_connections 1000; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=600s;
  client_body_temp_path $1/body;
  proxy_temp_path $1/proxy;
  fastcgi_temp_path $1/fastcgi;
  uwsgi_temp_path $1/uwsgi;
  scgi_temp_path $1/scgi;
  upstream origin { server 127.0.0.1:$counted_origin; keepalive 64; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:$counted_port;
    location / { root $work/files; }
    location /passed/ { proxy_pass http://origin; }
  }
}
END
  under_callgrind "$1" nginx -c "$1/nginx.conf"
}

bench_instructions() {
  require_packages "instructions are counted by valgrind" valgrind curl
  local counted_port counted_origin server path few many
  counted_port=$(free_port)
  counted_origin=$(free_port)
  gcc -O2 -o "$work/floor" "$top/tools/bench.d/floor.c"
  "$work/floor" "$counted_origin" 1024 &
  started+=($!)
  # valgrind cannot read all of the compiler's debugging information.
  strip --strip-debug -o "$work/ring3d.counted" "$top/.build/release/ring3d"
  printf '\n%-28s %12s %12s\n' 'User instructions, 1 KiB' 'a file' 'passed on'
  for server in nginx ring3; do
    printf '%-28s' "$server"
    for path in /1 /passed/1; do
      few=$(instructions "counted_$server" 500 "http://127.0.0.1:$counted_port$path")
      many=$(instructions "counted_$server" 3500 "http://127.0.0.1:$counted_port$path")
      printf ' %12d' $(((many - few) / 3000))
    done
    printf '\n'
  done
}
