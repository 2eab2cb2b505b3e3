#!/usr/bin/env bash
# Makes the certificates and keys of the tests anew, next to this script. Nobody trusts them; they
# hold from 2020 to 2120, whatever the clock of the machine says.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cat > "$work/ca.cnf" <<END
[ca]
default_ca = d
[d]
database = $work/index
serial = $work/serial
crlnumber = $work/number
new_certs_dir = $work
default_md = sha256
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = supplied
END
: > "$work/index"
echo 01 > "$work/number"

ecdsa=(-algorithm EC -pkeyopt ec_paramgen_curve:P-256)
rsa=(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)

# sign NAME SERIAL SUBJECT EXTENSIONS LAST-YEAR ISSUER-OPTIONS…
sign() {
  local name=$1 serial=$2 subject=$3 extensions=$4 last=$5
  shift 5
  echo "$serial" > "$work/serial"
  printf '%b' "$extensions" > "$work/extensions"
  openssl req -new -key "$name.key" -subj "$subject" -out "$work/request"
  openssl ca -batch -config "$work/ca.cnf" -in "$work/request" -out "$name.pem" -notext \
    -startdate 20200101000000Z -enddate "${last}0101000000Z" -extfile "$work/extensions" \
    "$@" 2> "$work/messages" || { cat "$work/messages" >&2; exit 1; }
}

# key NAME ALGORITHM-OPTIONS…
key() {
  local name=$1
  shift
  openssl genpkey "$@" -out "$name.key" 2> /dev/null
}

# certificate NAME ISSUER SERIAL SUBJECT EXTENSIONS [LAST-YEAR]
certificate() {
  sign "$1" "$3" "$4" "$5" "${6:-2120}" -cert "$2.pem" -keyfile "$2.key"
}

# authority NAME SERIAL SUBJECT
authority() {
  key "$1" "${ecdsa[@]}"
  sign "$1" "$2" "$3" \
    'basicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\nkeyUsage=keyCertSign,cRLSign\n' \
    2120 -selfsign -keyfile "$1.key"
}

authority root 01 '/O=Ring3 tests/CN=Test root'
authority stranger 02 '/O=Ring3 tests/CN=Stranger'

key intermediate "${ecdsa[@]}"
certificate intermediate root 1000 '/O=Ring3 tests/CN=Test intermediate' \
  'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n'

server='basicConstraints=CA:false\nextendedKeyUsage=serverAuth\n'
server+='subjectAltName=DNS:example.org,DNS:*.example.org,IP:127.0.0.1\n'
server+='authorityInfoAccess=OCSP;URI:http://ocsp.example.org/\n'
key ecdsa "${ecdsa[@]}"
certificate ecdsa intermediate 1001 '/CN=example.org' "$server"
key rsa "${rsa[@]}"
certificate rsa intermediate 1002 '/CN=example.org' "$server"
key other "${ecdsa[@]}"
certificate other intermediate 1003 '/CN=other.example' \
  'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:other.example\n'
key expired "${ecdsa[@]}"
certificate expired intermediate 1004 '/CN=example.org' "$server" 2021
for name in ecdsa rsa other; do cat "$name.pem" intermediate.pem > "$name.chain.pem"; done
openssl pkey -in ecdsa.key -aes256 -passout pass:secret -out encrypted.key

client='basicConstraints=CA:false\nextendedKeyUsage=clientAuth\n'
key client "${ecdsa[@]}"
certificate client root 2001 '/O=Ring3 tests/CN=Alice' "$client"
cp client.key revoked.key
certificate revoked root 2002 '/O=Ring3 tests/CN=Mallory' "$client"
cp client.key unknown.key
certificate unknown stranger 2003 '/O=Elsewhere/CN=Eve' "$client"

# The root's revocation list: Mallory's certificate.
openssl ca -config "$work/ca.cnf" -cert root.pem -keyfile root.key -revoke revoked.pem 2> /dev/null
openssl ca -config "$work/ca.cnf" -cert root.pem -keyfile root.key -gencrl \
  -crl_lastupdate 20200101000000Z -crl_nextupdate 21200101000000Z -out root.crl 2> /dev/null

# The intermediate's word on ecdsa.pem, as a responder would give it: answer NAME INDEX-LINE.
answer() {
  printf '%b\tunknown\t/CN=example.org\n' "$2" > "$work/responses"
  openssl ocsp -index "$work/responses" -CA intermediate.pem -rsigner intermediate.pem \
    -rkey intermediate.key -issuer intermediate.pem -cert ecdsa.pem -ndays 36500 \
    -respout "$1" -no_nonce > /dev/null 2>&1
}
answer good.ocsp 'V\t21200101000000Z\t\t1001'
answer revoked.ocsp 'R\t21200101000000Z\t200101000000Z\t1001'

rm root.key stranger.key intermediate.key
chmod 644 ./*.key
