# A client of ours for the REST API, for a shell with curl and jq:
# bash rest.sh USER:PASSWORD@HOST:PORT PROJECT SESSION
get() {
    curl --silent --show-error --fail "http://$1" | jq .
}

get "$1/api/projects"
get "$1/api/projects/$2/sessions"
get "$1/api/sessions/$3/history/$2"
