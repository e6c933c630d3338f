#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a throw-away authority and the certificates of the test server in the directory $1:
# ca.pem, good.pem (for all test names), expired.pem, other.pem (another host), selfsigned.pem; each with its key.
set -eu
cd "$1"
names="DNS:example.com,DNS:example.test,DNS:good.example,DNS:public.example,DNS:site.example,DNS:link.example,DNS:dns.example,DNS:localhost,IP:127.0.0.1"

newkey() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

newkey ca
openssl req -x509 -new -key ca.key -days 2 -subj "/CN=Airlock test authority" -out ca.pem \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
: > index
echo 01 > serial
cat > ca.cnf <<CONF
[ca]
default_ca = test
[test]
database = index
new_certs_dir = .
serial = serial
private_key = ca.key
certificate = ca.pem
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
CONF

# $1 file, $2 names, $3 first day, $4 last day (YYYYMMDDHHMMSSZ)
issue() {
  newkey "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1" -addext "subjectAltName=$2" -out "$1.csr" 
  openssl ca -batch -notext -config ca.cnf -startdate "$3" -enddate "$4" -in "$1.csr" -out "$1.crt"
  cat "$1.crt" "$1.key" > "$1.pem"
}
day() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
issue good "$names" "$(day yesterday)" "$(day tomorrow)"
issue expired "$names" "$(day '3 days ago')" "$(day '2 days ago')"
issue other "DNS:other.example" "$(day yesterday)" "$(day tomorrow)"
newkey selfsigned
openssl req -x509 -new -key selfsigned.key -days 2 -subj "/CN=selfsigned" -addext "subjectAltName=$names" -out selfsigned.crt
cat selfsigned.crt selfsigned.key > selfsigned.pem
