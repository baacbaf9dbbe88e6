package rawform

import (
	"bytes"
	"io"
	"mime/multipart"
	"strings"
	"testing"
)

const contentType = "multipart/form-data; boundary=XX"

// form joins lines as they are sent.
func form(lines ...string) string { return strings.Join(lines, "\r\n") }

// good are forms with the model whisper-1.
var good = map[string]string{
	"the usual": form("--XX", `Content-Disposition: form-data; name="file"; filename="a.mp3"`, "Content-Type: audio/mpeg", "", "ID3\x00\r\n\n\xff--XX \r-", "--XX",
		`Content-Disposition: form-data; name="model"`, "", "whisper-1", "--XX--", ""),
	"no end of the last line": form("--XX", `Content-Disposition: form-data; name="model"`, "", "whisper-1", "--XX--"),
	"odd but sound": form("--XX", `content-disposition:FORM-DATA;  name=model ;`, "content-transfer-encoding: 8bit", "", "whisper-1", "--XX",
		`Content-Disposition: form-data; filename*=utf-8''a%20b; name="timestamp_granularities[]"; filename="a \"name\"; model"`, "", "", "--XX--", ""),
	"with all that clients say": form("--XX", `Content-Disposition: form-data; name="file"; filename="a=b.mp3"`, "Content-Type: text/plain; charset=utf-16", "Content-Length: 1", "", "x", "--XX",
		`Content-Disposition: form-data; name="_charset_"`, "", "UTF-8", "--XX",
		`Content-Disposition: form-data; name="model"`, "Content-Type: text/plain; charset=ISO-8859-1", "Content-Transfer-Encoding: 8bit", "", "whisper-1", "--XX--", ""),
	"names that only look like it": form("--XX", `Content-Disposition: form-data; name="prompt"`, "", `name="model"`+"\r\n\r\n-XX\r\n- -XX", "--XX",
		`Content-Disposition: form-data; name="model"`, "X-Other: a: b", "", "whisper-1", "--XX--", ""),
}

func TestSetChangesTheValueOnly(t *testing.T) {
	for name, body := range good {
		t.Run(name, func(t *testing.T) {
			f, err := Parse(contentType, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Set("model", "served")
			if want := strings.Replace(body, "\r\n\r\nwhisper-1\r\n", "\r\n\r\nserved\r\n", 1); err != nil || string(got) != want {
				t.Errorf("got %q, %v want %q", got, err, want)
			}
			if same, err := f.Set("model", "whisper-1"); err != nil || string(same) != body {
				t.Errorf("the same value: got %q, %v want no change", same, err)
			}
			checkSetIn(t, contentType, []byte(body), []byte(strings.Replace(body, "\r\n\r\nwhisper-1\r\n", "\r\n\r\nanother one\r\n", 1)))
			for _, impossible := range [][2]string{{"modell", "x"}, {"model", "a\r\n--XX--"}} {
				if got, err := f.Set(impossible[0], impossible[1]); err == nil {
					t.Errorf("Set(%q) = %q, want an error", impossible, got)
				}
			}
		})
	}
}

func TestFieldsAreRead(t *testing.T) {
	f, err := Parse(contentType, []byte(good["the usual"]))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Fields) != 2 {
		t.Fatalf("got %d fields, want 2", len(f.Fields))
	}
	file, model := f.Fields[0], f.Fields[1]
	if file.Name != "file" || !file.File || string(file.Value) != "ID3\x00\r\n\n\xff--XX \r-" {
		t.Errorf("got the file %+v", file)
	}
	if model.Name != "model" || model.File || string(model.Value) != "whisper-1" {
		t.Errorf("got the model %+v", model)
	}
}

func TestSetWantsOneField(t *testing.T) {
	part := `Content-Disposition: form-data; name="model"`
	f, err := Parse(contentType, []byte(form("--XX", part, "", "a", "--XX", part, "", "b", "--XX--")))
	if err != nil || len(f.Fields) != 2 {
		t.Fatalf("got %+v, %v", f, err)
	}
	if got, err := f.Set("model", "x"); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

// The length that some clients give each field stays right.
func TestSetKeepsTheLengthRight(t *testing.T) {
	const body = "--XX\r\nX-Content-Length: 9\r\ncontent-length:  9\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--XX--"
	f, err := Parse(contentType, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Set("model", "served-model")
	want := strings.NewReplacer("length:  9", "length:  12", "whisper-1", "served-model").Replace(body)
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v want %q", got, err, want)
	}
}

// bad are forms that are broken, or in which readers could differ.
var bad = map[string]string{
	"empty":                           "",
	"another boundary":                form("--YY", `Content-Disposition: form-data; name="model"`, "", "m", "--YY--"),
	"something in front":              form("x", "--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XX--"),
	"something behind":                form("--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XX--", "x"),
	"a longer boundary":               form("--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XXY", `Content-Disposition: form-data; name="n"`, "", "m", "--XX--"),
	"cut in a value":                  form("--XX", `Content-Disposition: form-data; name="model"`, "", "m"),
	"cut at a boundary":               form("--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XX"),
	"cut at the end":                  form("--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XX-"),
	"half a line end":                 "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\n--XX--\r\n",
	"half line ends":                  "--XX\nContent-Disposition: form-data; name=\"model\"\n\nm\n--XX--\n",
	"no headers":                      form("--XX", "m", "--XX--"),
	"no disposition":                  form("--XX", "Content-Type: text/plain", "", "m", "--XX--"),
	"two dispositions":                form("--XX", `Content-Disposition: form-data; name="a"`, `Content-Disposition: form-data; name="model"`, "", "m", "--XX--"),
	"a folded header":                 form("--XX", `Content-Disposition: form-data;`, ` name="model"`, "", "m", "--XX--"),
	"a blank before a colon":          form("--XX", `Content-Disposition : form-data; name="model"`, "", "m", "--XX--"),
	"no name":                         form("--XX", `Content-Disposition: form-data; filename="x"`, "", "m", "--XX--"),
	"an empty name":                   form("--XX", `Content-Disposition: form-data; name=""`, "", "m", "--XX--"),
	"a quote that some end later":     form("--XX", `Content-Disposition: form-data; filename="\\"; name=x; y="; name=model; z="`, "", "m", "--XX--"),
	"an escape that some do not know": form("--XX", `Content-Disposition: form-data; name=x; filename="\"; name=model; a=\""`, "", "m", "--XX--"),
	"a name in a file's name":         form("--XX", `Content-Disposition: form-data; filename="; name=model; x="; name=x`, "", "m", "--XX--"),
	"a name at a file's name's end":   form("--XX", `Content-Disposition: form-data; name=x; filename="; name=model"`, "", "m", "--XX--"),
	"a parameter that nobody has":     form("--XX", `Content-Disposition: form-data; name=x; y="; name=model"`, "", "m", "--XX--"),
	"a file's name in pieces":         form("--XX", `Content-Disposition: form-data; name=x; filename*0=a; filename*1=b`, "", "m", "--XX--"),
	"a name with two signs":           form("--XX", `Content-Disposition: form-data; name=x=model`, "", "m", "--XX--"),
	"a name in UTF-7":                 form("--XX", `Content-Disposition: form-data; name="+AG0-odel"`, "", "m", "--XX--"),
	"a name with signs for bytes":     form("--XX", `Content-Disposition: form-data; name="mod%65l"`, "", "m", "--XX--"),
	"a name in single quotes":         form("--XX", `Content-Disposition: form-data; name='model'`, "", "m", "--XX--"),
	"a value in UTF-7":                form("--XX", `Content-Disposition: form-data; name="model"`, "Content-Type: text/plain; charset=utf-7", "", "+AG0-", "--XX--"),
	"all values in UTF-7":             form("--XX", `Content-Disposition: form-data; name="_charset_"`, "", "utf-7", "--XX--"),
	"a type that nobody can read":     form("--XX", `Content-Disposition: form-data; name="model"`, "Content-Type: text/plain; charset", "", "m", "--XX--"),
	"two types":                       form("--XX", `Content-Disposition: form-data; name="model"`, "Content-Type: text/plain", "Content-Type: text/plain", "", "m", "--XX--"),
	"compressed":                      form("--XX", `Content-Disposition: form-data; name="model"`, "Content-Encoding: deflate", "", "m", "--XX--"),
	"another length":                  form("--XX", `Content-Disposition: form-data; name="file"; filename="a"`, "Content-Length: 70", "", "m", "--XX", `Content-Disposition: form-data; name="model"`, "", "m", "--XX--"),
	"two names":                       form("--XX", `Content-Disposition: form-data; name="a"; name="model"`, "", "m", "--XX--"),
	"another name, encoded":           form("--XX", `Content-Disposition: form-data; name="model"; name*=utf-8''a`, "", "m", "--XX--"),
	"a name in pieces":                form("--XX", `Content-Disposition: form-data; name*0="mo"; name*1="del"`, "", "m", "--XX--"),
	"a name with a backslash":         form("--XX", `Content-Disposition: form-data; name="mo\del"`, "", "m", "--XX--"),
	"a quote without end":             form("--XX", `Content-Disposition: form-data; name="model`, "", "m", "--XX--"),
	"more behind a quote":             form("--XX", `Content-Disposition: form-data; name="model"x`, "", "m", "--XX--"),
	"no form-data":                    form("--XX", `Content-Disposition: attachment; name="model"`, "", "m", "--XX--"),
	"base64":                          form("--XX", `Content-Disposition: form-data; name="model"`, "Content-Transfer-Encoding: base64", "", "bQ==", "--XX--"),
	"long headers":                    form("--XX", `Content-Disposition: form-data; name="model"`, "X: "+strings.Repeat("x", maxHead), "", "m", "--XX--"),
	"too many fields":                 strings.Repeat(form("--XX", `Content-Disposition: form-data; name="a"`, "", "", ""), maxFields+1) + "--XX--",
}

func TestGarbageIsRefused(t *testing.T) {
	for name, body := range bad {
		if f, err := Parse(contentType, []byte(body)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, f.Fields)
		}
	}
	for _, wrong := range []string{
		"", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=XX", "multipart/form-data; boundary=XX; boundary=YY",
		`multipart/form-data; boundary="X@"`, `multipart/form-data; boundary="XX "`, "multipart/form-data; boundary=" + strings.Repeat("X", 71), "multipart/form-data; boundary=XX,multipart/form-data",
		`multipart/form-data; x="boundary=YY;"; boundary=XX`, "multipart/form-data; boundary*=utf-8''XX; boundary=YY", `multipart/form-data; boundary="X\X"`,
		"multipart/form-data; boundary=XX; charset=utf-7", "multipart/form-data; boundary=XX; x=y", `multipart/form-data; boundary*0=X; boundary*1=X`,
	} {
		if f, err := Parse(wrong, []byte(good["the usual"])); err == nil {
			t.Errorf("%s: got %+v, want an error", wrong, f.Fields)
		}
	}
}

func TestIs(t *testing.T) {
	for contentType, want := range map[string]bool{
		"multipart/form-data; boundary=x": true, " Multipart/Form-Data ;boundary": true, "multipart/form-data": true,
		"multipart/mixed": false, "application/json": false, "": false, "multipart/form-datax": false,
	} {
		if got := Is(contentType); got != want {
			t.Errorf("Is(%q) = %t want %t", contentType, got, want)
		}
	}
}

// FuzzSet holds what is read against the standard library's reader, and has all
// else stay as it is when a field is set.
func FuzzSet(f *testing.F) {
	for _, seeds := range []map[string]string{good, bad} {
		for name, body := range seeds {
			if name != "too many fields" && name != "long headers" {
				f.Add(contentType, []byte(body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		parsed, err := Parse(contentType, body)
		if err != nil {
			return
		}
		compare(t, contentType, body, parsed)
		changed, err := parsed.Set("model", "another one")
		if err != nil {
			return
		}
		checkSetIn(t, contentType, body, changed)
		again, err := Parse(contentType, changed)
		if err != nil || len(again.Fields) != len(parsed.Fields) {
			t.Fatalf("%q became %q: %v", body, changed, err)
		}
		for i, field := range parsed.Fields {
			want := string(field.Value)
			if field.Name == "model" {
				want = "another one"
			}
			if got := again.Fields[i]; got.Name != field.Name || got.File != field.File || string(got.Value) != want {
				t.Errorf("field %d of %q: got %+v want %+v", i, changed, got, field)
			}
			if field.Name == "model" {
				changed = bytes.Join([][]byte{changed[:again.Fields[i].start], field.Value, changed[again.Fields[i].end:]}, nil)
			}
		}
		if !bytes.Equal(changed, body) && !bytes.Contains(bytes.ToLower(body), []byte("content-length")) {
			t.Errorf("%q became %q", body, changed)
		}
	})
}

// checkSetIn has the form set in place: to the same, and to what is no longer.
func checkSetIn(t *testing.T, contentType string, body, want []byte) {
	for value, want := range map[string][]byte{"another one": want, "": nil} {
		form, err := Parse(contentType, bytes.Clone(body))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			if want, err = form.Set("model", value); err != nil {
				t.Fatal(err)
			}
			want = bytes.Clone(want)
		}
		if got, err := form.SetIn("model", value); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q with %q: set in place it is %q, %v, want %q", body, value, got, err, want)
		}
	}
}

// compare has the standard library read the form, too.
func compare(t *testing.T, contentType string, body []byte, f *Form) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		t.Fatal(err)
	}
	in := multipart.NewReader(bytes.NewReader(body), boundary)
	for i, field := range f.Fields {
		part, err := in.NextRawPart()
		if err != nil {
			return // it does not take everything
		}
		value, err := io.ReadAll(part)
		if name := part.FormName(); err != nil || name != "" && name != field.Name || !bytes.Equal(value, field.Value) {
			t.Errorf("field %d of %q: got %q, %q want %q, %q (%v)", i, body, field.Name, field.Value, name, value, err)
		}
	}
	if part, err := in.NextRawPart(); err == nil {
		t.Errorf("%q has one more: %v", body, part.Header)
	}
}
