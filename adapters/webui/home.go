package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed static
var static embed.FS

// HomeHandlerFunc answers with the page. It holds no data: its one script reads them from the paths, which have to be of the page's own origin, and
// shows them as text. The page's policy allows that script and that style by their hashes, and nothing else.
func HomeHandlerFunc(paths Paths) http.HandlerFunc {
	page, policy, err := render(paths)
	return func(w http.ResponseWriter, r *http.Request) {
		if !method(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		if err != nil {
			fail(w, http.StatusInternalServerError, "the page cannot be made")
			return
		}
		harden(w.Header(), policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // the reader has gone: nobody is left to be told
	}
}

// render makes the page and its policy once.
func render(paths Paths) (page []byte, policy string, err error) {
	script, err := static.ReadFile("static/page.js")
	if err != nil {
		return nil, "", err
	}
	style, err := static.ReadFile("static/page.css")
	if err != nil {
		return nil, "", err
	}
	t, err := template.ParseFS(static, "static/page.html")
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		Paths
		Script template.JS
		Style  template.CSS
	}{paths, template.JS(script), template.CSS(style)}) // both are this package's own files
	policy = "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) +
		"; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return out.Bytes(), policy, err
}

// hash names a source in a policy.
func hash(source []byte) string {
	sum := sha256.Sum256(source)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
