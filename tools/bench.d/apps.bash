# Applications behind the server; part of tools/bench, whose functions and variables it uses.

# start_app_nginx PORT CACHED_PORT ORIGIN FILES_PORT: passes on at one port, answers from its cache at
# another; a third one is the application whose answers may be kept.
start_app_nginx() {
  mkdir "$work/appnginx"
  cat > "$work/appnginx/nginx.conf" << END
$( ((EUID)) || echo "user root;")
daemon off;
worker_processes 1;
pid $work/appnginx/pid;
error_log $work/appnginx/error.log;
events { worker_connections 20000; }
http {
  access_log off;
  keepalive_timeout 600;
  keepalive_requests 1000000000;
  client_body_temp_path $work/appnginx/body;
  proxy_temp_path $work/appnginx/proxy;
  fastcgi_temp_path $work/appnginx/fastcgi;
  uwsgi_temp_path $work/appnginx/uwsgi;
  scgi_temp_path $work/appnginx/scgi;
  proxy_cache_path $work/appnginx/cache keys_zone=kept:10m;
  upstream origin { server 127.0.0.1:$3; keepalive 64; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server { listen 127.0.0.1:$1; location / { proxy_pass http://origin; } }
  server {
    listen 127.0.0.1:$2;
    location / { proxy_pass http://127.0.0.1:$4; proxy_cache kept; }
  }
  server {
    listen 127.0.0.1:$4;
    location / { root $work/files; add_header Cache-Control max-age=600; }
  }
}
END
  taskset -c "$server_core" nginx -c "$work/appnginx/nginx.conf" < /dev/null &
  app_nginx_pid=$!
  started+=("$app_nginx_pid")
}

# The same with HAProxy.
start_app_haproxy() {
  cat > "$work/haproxy.cfg" << END
global
  nbthread 1
  maxconn 1000
cache kept
  total-max-size 64
  max-age 600
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend passing
  bind 127.0.0.1:$1
  default_backend origin
frontend keeping
  bind 127.0.0.1:$2
  default_backend kept
backend origin
  server one 127.0.0.1:$3
backend kept
  http-request cache-use kept
  http-response cache-store kept
  server one 127.0.0.1:$4
END
  taskset -c "$server_core" haproxy -db -f "$work/haproxy.cfg" > "$work/haproxy.log" 2>&1 < /dev/null &
  app_haproxy_pid=$!
  started+=("$app_haproxy_pid")
}

# start_app_h2o PORT ORIGIN: passes on.
start_app_h2o() {
  local directory=$work/apph2o task
  mkdir "$directory"
  cat > "$directory/h2o.conf" << END
$( ((EUID)) || echo "user: root")
num-threads: 1
http1-request-timeout: 600
error-log: $directory/error.log
listen:
  host: 127.0.0.1
  port: $1
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: http://127.0.0.1:$2/
        proxy.timeout.keepalive: 600000
END
  taskset -c "$server_core" h2o -c "$directory/h2o.conf" > "$directory/output" 2>&1 < /dev/null &
  started+=($!)
  await_port "$1"
  app_h2o_pids=()
  for task in "/proc/$!/task"/*; do app_h2o_pids+=("${task##*/}"); done
}

# start_app_varnish PORT FILES_PORT: answers from its cache.
start_app_varnish() {
  mkdir "$work/varnish"
  taskset -c "$server_core" varnishd -F -n "$work/varnish" -a "127.0.0.1:$1" \
    -b "127.0.0.1:$2" -s malloc,64m -p thread_pools=1 -p thread_pool_min=100 \
    > "$work/varnish.log" 2>&1 < /dev/null &
  app_varnish_pid=$!
  started+=("$app_varnish_pid")
}

# The median of the ratios round by round: what else the machine did in a round touched both.
median_ratio() {
  paste "$1" "$2" | awk '{ printf "%.3f\n", $1 / $2 }' | median
}

# An answer of 1 KiB: passed on over kept connections (the floor does the system calls of that and
# nothing else), and from the cache; files for comparison.
bench_apps() {
  require_packages "the comparison needs HAProxy, h2o and Varnish" haproxy h2o varnish
  local origin passed ports=() index round pids nginx_workers varnish_workers server floor_pid
  local app_h2o_pids best
  for index in {0..8}; do ports[index]=$(free_port); done
  origin=$(free_port)
  gcc -O2 -o "$work/floor" "$top/tools/bench.d/floor.c"
  taskset -c "$load_core" "$work/floor" "$origin" 1024 &
  started+=($!)
  gcc -O2 -o "$work/proxyfloor" "$top/tools/bench.d/proxyfloor.c"
  taskset -c "$server_core" "$work/proxyfloor" "${ports[7]}" "$origin" &
  floor_pid=$!
  started+=("$floor_pid")
  start_app_nginx "${ports[0]}" "${ports[1]}" "$origin" "${ports[5]}"
  start_app_haproxy "${ports[2]}" "${ports[3]}" "$origin" "${ports[5]}"
  start_app_h2o "${ports[8]}" "$origin"
  start_app_varnish "${ports[6]}" "${ports[5]}"
  write_ring3 "$work/appring3" "${ports[4]}" 1
  cat >> "$work/appring3/ring3.conf" << END
ProxyPass /passed http://127.0.0.1:$origin
ProxyPass /kept http://127.0.0.1:${ports[5]}
END
  start_ring3 "$work/appring3" taskset -c "$server_core"
  started+=("$ring3_pid")
  mapfile -t pids < <(ring3_workers "$work/appring3")
  sleep 1
  mapfile -t nginx_workers < <(children "$app_nginx_pid")
  mapfile -t varnish_workers < <(children "$app_varnish_pid")
  say
  say "An application's answer of 1 KiB, $rounds rounds of $seconds s"
  for ((round = 1; round <= rounds; round++)); do
    measure "$work/apps.passed.floor" "http://127.0.0.1:${ports[7]}/1" "$floor_pid"
    measure "$work/apps.passed.nginx" "http://127.0.0.1:${ports[0]}/1" "${nginx_workers[@]}"
    measure "$work/apps.passed.haproxy" "http://127.0.0.1:${ports[2]}/1" "$app_haproxy_pid"
    measure "$work/apps.passed.h2o" "http://127.0.0.1:${ports[8]}/1" "${app_h2o_pids[@]}"
    measure "$work/apps.passed.ring3" "http://127.0.0.1:${ports[4]}/passed/1" "${pids[@]}"
    measure "$work/apps.kept.nginx" "http://127.0.0.1:${ports[1]}/1" "${nginx_workers[@]}"
    measure "$work/apps.kept.haproxy" "http://127.0.0.1:${ports[3]}/1" "$app_haproxy_pid"
    measure "$work/apps.kept.varnish" "http://127.0.0.1:${ports[6]}/1" "${varnish_workers[@]}"
    measure "$work/apps.kept.ring3" "http://127.0.0.1:${ports[4]}/kept/1" "${pids[@]}"
    measure "$work/apps.file.ring3" "http://127.0.0.1:${ports[4]}/1" "${pids[@]}"
  done
  best=$(for server in nginx haproxy h2o; do
    printf '%s %s\n' "$(median < "$work/apps.passed.$server")" "$server"
  done | sort -n | head -n 1)
  best=${best#* }
  printf '\n%-28s %12s %9s %9s %12s\n' 'CPU µs per request, 1 KiB' 'passed on' '× floor' "× $best" \
    'from cache'
  for server in floor nginx haproxy h2o varnish ring3; do
    passed=$work/apps.passed.$server
    if [[ -e $passed ]]; then
      printf '%-28s %12s %9s %9s' "$server" "$(median < "$passed")" \
        "$(median_ratio "$passed" "$work/apps.passed.floor")" \
        "$(median_ratio "$passed" "$work/apps.passed.$best")"
    else
      printf '%-28s %12s %9s %9s' "$server" '' '' ''
    fi
    [[ ! -e $work/apps.kept.$server ]] || printf ' %12s' "$(median < "$work/apps.kept.$server")"
    printf '\n'
  done
  printf '%-28s %12s %9s %9s %12s\n' 'ring3, a file' '' '' '' "$(median < "$work/apps.file.ring3")"
}
