import { language } from "./i18n";

/** What went wrong, in Chinese: the server's own words, which are English, name the numbers and stand behind it. */
const BY_NAME: Record<string, string> = {
  context_length_exceeded: "文字太长，超过了模型一次能容纳的长度",
  ContextOverflow: "文字太长，超过了模型一次能容纳的长度",
  model_not_found: "没有叫这个名字的模型",
  UnknownName: "没有这个名字",
  ConfigError: "设置有误",
  DataError: "数据有误",
  ModelError: "模型出了问题",
  UnsupportedModel: "还不支持这种模型",
  TrainingError: "训练出了问题",
  ProviderError: "托管模型的服务出了问题",
  BudgetExceeded: "预算用完了",
  StoreError: "结果库出了问题",
  MissingPackage: "缺少一个程序包",
};
const BY_STATUS: Record<number, string> = {
  400: "请求有误",
  401: "需要密钥，或者密钥不对",
  403: "服务器拒绝了这个请求",
  404: "没有找到",
  408: "等待超时",
  413: "内容太大",
  429: "请求太多，请稍后再试",
  500: "服务器出了问题",
  502: "托管模型的服务出了问题",
  503: "服务器现在不接受请求，请稍后再试",
  504: "等待超时",
};

/** A failure's message in the language of the page. `names`: the kinds and codes that the server gave it, the closest first. */
export function faultWords(message: string, status: number, names: readonly string[]): string {
  if (language.get() !== "zh") return message;
  const name = names.find((one) => one in BY_NAME);
  const words = name === undefined ? BY_STATUS[status] : BY_NAME[name];
  return words === undefined ? message : `${words}（${message}）`;
}
