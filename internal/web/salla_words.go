package web

import (
	"net/http"

	"github.com/wosool/wosool/templates"
)

// installEnd is how a merchant's way from Salla to us can end.
type installEnd int

const (
	installDone        installEnd = iota // the grant is committed
	installKept                          // the grant is safe, and committed when the database answers
	installDeclined                      // the merchant did not agree
	installBroken                        // Salla says that something failed
	installBare                          // nothing came along: somebody opened the address
	installExpired                       // it took too long
	installUsed                          // it was completed before
	installForeign                       // it was begun in another browser
	installRefused                       // Salla does not take its own code
	installUnavailable                   // Salla or the database does not answer
	installLimited                       // this network begins too often
)

// installPage is the status and the words of an end.
func installPage(end installEnd) (status int, v templates.InstallView) {
	v.Kind, v.Again = templates.Wait, true
	switch end {
	case installDone:
		status, v.Kind, v.Again = http.StatusOK, templates.Well, false
		v.Arabic = templates.InstallWords{
			Title: "تم ربط متجرك",
			Text:  "يجري الآن تجهيز نظام إدارة العملاء الخاص بمتجرك، ثم تنتقل إليه بيانات متجرك السابقة من تلقاء نفسها.",
			Todo:  "لا يلزمك فعل شيء آخر، ويمكنك إغلاق هذه الصفحة.",
		}
		v.English = templates.InstallWords{
			Title: "Your store is connected",
			Text:  "Your CRM is being prepared now; your store's history then fills in by itself.",
			Todo:  "There is nothing more to do. You can close this page.",
		}
	case installKept:
		status, v.Kind, v.Again = http.StatusAccepted, templates.Well, false
		v.Arabic = templates.InstallWords{
			Title: "يجري ربط متجرك",
			Text:  "وصلتنا موافقتك وهي محفوظة لدينا. سيجري تجهيز نظام إدارة العملاء الخاص بمتجرك بعد لحظات، ثم تنتقل إليه بيانات متجرك السابقة من تلقاء نفسها.",
			Todo:  "لا يلزمك فعل شيء آخر، ويمكنك إغلاق هذه الصفحة.",
		}
		v.English = templates.InstallWords{
			Title: "Your store is being connected",
			Text:  "Your consent has reached us and is safe. Your CRM is being prepared in a moment; your store's history then fills in by itself.",
			Todo:  "There is nothing more to do. You can close this page.",
		}
	case installDeclined:
		status = http.StatusForbidden
		v.Arabic = templates.InstallWords{
			Title: "لم تُمنح الصلاحية",
			Text:  "أخبرتنا سلة بأنك لم توافق على منح التطبيق صلاحية الوصول إلى متجرك، ولم يتغير شيء.",
			Todo:  "إن أردت ربط متجرك فابدأ من جديد ووافق على الصلاحيات المطلوبة.",
		}
		v.English = templates.InstallWords{
			Title: "Access was not given",
			Text:  "Salla says that you did not agree to give the app access to your store. Nothing was changed.",
			Todo:  "To connect your store, begin again and agree to what is asked.",
		}
	case installBroken:
		status, v.Kind = http.StatusBadGateway, templates.Broken
		v.Arabic = templates.InstallWords{
			Title: "لم تُكمل سلة عملية الربط",
			Text:  "حدث خطأ لدى سلة أثناء ربط متجرك، ولم يتغير شيء.",
			Todo:  "ابدأ من جديد. وإن تكرر ذلك فتواصل مع الدعم.",
		}
		v.English = templates.InstallWords{
			Title: "Salla did not complete the connection",
			Text:  "Salla reported an error while your store was being connected. Nothing was changed.",
			Todo:  "Begin again. If it happens again, write to support.",
		}
	case installBare:
		status = http.StatusBadRequest
		v.Arabic = templates.InstallWords{
			Title: "هذه الصفحة جزء من ربط المتجر",
			Text:  "تصل إليها من سلة بعد أن توافق على ربط متجرك، ولم يصل معها ما يدل على ذلك.",
			Todo:  "لربط متجرك ابدأ من هنا.",
		}
		v.English = templates.InstallWords{
			Title: "This page is a part of connecting a store",
			Text:  "Salla leads to it after you agree to connect your store; it was opened without that.",
			Todo:  "To connect your store, begin here.",
		}
	case installExpired:
		status = http.StatusBadRequest
		v.Arabic = templates.InstallWords{
			Title: "انتهت المهلة",
			Text:  "مضت أكثر من عشر دقائق منذ أن بدأت ربط متجرك، ولم يتغير شيء.",
			Todo:  "ابدأ من جديد.",
		}
		v.English = templates.InstallWords{
			Title: "It took too long",
			Text:  "More than ten minutes have gone by since you began to connect your store. Nothing was changed.",
			Todo:  "Begin again.",
		}
	case installUsed:
		status = http.StatusConflict
		v.Arabic = templates.InstallWords{
			Title: "استُخدم هذا الرابط من قبل",
			Text:  "كل رابط صالح لمرة واحدة.",
			Todo:  "إن كنت قد رأيت أن متجرك قد رُبط فلا يلزمك شيء. وإلا فابدأ من جديد.",
		}
		v.English = templates.InstallWords{
			Title: "This link was used before",
			Text:  "Each link is good for one use.",
			Todo:  "If you have seen that your store is connected, there is nothing to do. Otherwise begin again.",
		}
	case installForeign:
		status = http.StatusBadRequest
		v.Arabic = templates.InstallWords{
			Title: "لم يبدأ الربط من هذا المتصفح",
			Text:  "لحماية متجرك يجب أن يكتمل الربط في المتصفح الذي بدأ فيه، مع السماح بملفات تعريف الارتباط. ولم يتغير شيء.",
			Todo:  "ابدأ من جديد في هذا المتصفح.",
		}
		v.English = templates.InstallWords{
			Title: "This was not begun in this browser",
			Text:  "To protect your store it has to be completed in the browser where it was begun, with cookies allowed. Nothing was changed.",
			Todo:  "Begin again in this browser.",
		}
	case installRefused:
		status, v.Kind = http.StatusBadGateway, templates.Broken
		v.Arabic = templates.InstallWords{
			Title: "لم تقبل سلة إكمال الربط",
			Text:  "الموافقة التي جئت بها لم تعد صالحة لدى سلة، وكل موافقة صالحة لمرة واحدة ولدقائق قليلة.",
			Todo:  "ابدأ من جديد.",
		}
		v.English = templates.InstallWords{
			Title: "Salla did not accept the consent",
			Text:  "The consent that you came with is not good any more: each is good once, for a few minutes.",
			Todo:  "Begin again.",
		}
	case installLimited:
		status = http.StatusTooManyRequests
		v.Arabic = templates.InstallWords{
			Title: "محاولات كثيرة",
			Text:  "بدأ الربط من شبكتك مرات كثيرة في وقت قصير.",
			Todo:  "انتظر عشر دقائق ثم ابدأ من جديد.",
		}
		v.English = templates.InstallWords{
			Title: "Too many attempts",
			Text:  "Connecting a store was begun too often from your network in a short time.",
			Todo:  "Wait ten minutes, then begin again.",
		}
	default:
		status, v.Kind = http.StatusServiceUnavailable, templates.Broken
		v.Arabic = templates.InstallWords{
			Title: "تعذر إكمال الربط الآن",
			Text:  "خدمة نعتمد عليها لا تستجيب في هذه اللحظة.",
			Todo:  "ابدأ من جديد بعد بضع دقائق.",
		}
		v.English = templates.InstallWords{
			Title: "It cannot be completed now",
			Text:  "Something that we need does not answer at this moment.",
			Todo:  "Begin again in a few minutes.",
		}
	}
	return status, v
}
